// Files of a guest through its agent, in pieces: an answer never grows beyond what the agent and we hold in memory.
import { SbxError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { AgentChannel } from './agent-channel.ts';

const pieceBytes = 256 * 1024;
/** An agent takes and gives whole pieces but for the last; one that deals in crumbs would keep us for ever. */
const crumbs = { bytes: 4096, most: 1000 } as const;
/** Longest reading of a small text file in `ms` */
const textMs = 60_000;

/** Content of a file, piece by piece. */
export async function* readGuestFile(channel: AgentChannel, path: string): AsyncGenerator<Buffer> {
  const handle = await channel.request('guest-file-open', { path, mode: 'r' });
  const count = crumbCounter(path);
  try {
    for (;;) {
      const answer = fields(await channel.request('guest-file-read', { handle, count: pieceBytes }));
      const piece = Buffer.from(String(answer['buf-b64'] ?? ''), 'base64');
      if (piece.length > pieceBytes)
        throw nonsense(`${piece.length} bytes of ${path} where ${pieceBytes} were asked for`);
      count(piece.length);
      if (piece.length > 0) yield piece;
      if (answer['eof'] === true || piece.length === 0) return;
    }
  } finally {
    await channel.request('guest-file-close', { handle }).catch(() => undefined);
  }
}

/** Whole content of a file, at most 16 MiB, within a minute. */
export async function readGuestText(channel: AgentChannel, path: string): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  const end = performance.now() + textMs;
  for await (const piece of readGuestFile(channel, path)) {
    size += piece.length;
    if (performance.now() > end) throw new SbxError('SBX8001', `${path} in the guest was not read within ${textMs} ms`);
    if (size > 16 * 1024 * 1024) throw new SbxError('SBX8002', `${path} in the guest has more than 16 MiB`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** Creates or replaces a file; gives the number of bytes written. A failure leaves what was written so far. */
export async function writeGuestFile(
  channel: AgentChannel,
  path: string,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<number> {
  const handle = await channel.request('guest-file-open', { path, mode: 'w' });
  let written = 0;
  try {
    for await (const chunk of content) {
      for (let at = 0; at < chunk.length; at += pieceBytes) {
        written += await writePiece(channel, handle, Buffer.from(chunk.subarray(at, at + pieceBytes)));
      }
    }
  } catch (error) {
    await channel.request('guest-file-close', { handle }).catch(() => undefined);
    throw error;
  }
  // Closing writes what the agent still holds: a full disk shows here.
  await channel.request('guest-file-close', { handle });
  return written;
}

async function writePiece(channel: AgentChannel, handle: Json, piece: Buffer): Promise<number> {
  let done = 0;
  const crumb = crumbCounter('what is written');
  while (done < piece.length) {
    const rest = piece.subarray(done).toString('base64');
    const { count } = fields(await channel.request('guest-file-write', { handle, 'buf-b64': rest }));
    if (typeof count !== 'number' || !Number.isInteger(count) || count > piece.length - done)
      throw nonsense(`that ${JSON.stringify(count)} of ${piece.length - done} bytes were written`);
    if (count <= 0) throw new SbxError('SBX8002', 'the guest agent wrote nothing: the disk of the guest may be full');
    crumb(count);
    done += count;
  }
  return done;
}

/** Counts answers that carry next to nothing; throws SBX8002 when there are too many. */
function crumbCounter(what: string): (bytes: number) => void {
  let seen = 0;
  return (bytes) => {
    if (bytes < crumbs.bytes) seen += 1;
    if (seen > crumbs.most)
      throw new SbxError('SBX8002', `the guest agent takes or gives ${what} a few bytes at a time`);
  };
}

function nonsense(what: string): SbxError {
  return new SbxError('SBX8002', `the guest agent says ${what}`);
}

function fields(value: Json): Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : {};
}
