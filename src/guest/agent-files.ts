// Files of a guest through its agent, in pieces: an answer never grows beyond what the agent and we hold in memory.
import { SbxError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { AgentChannel } from './agent-channel.ts';

const pieceBytes = 256 * 1024;

/** Content of a file, piece by piece. */
export async function* readGuestFile(channel: AgentChannel, path: string): AsyncGenerator<Buffer> {
  const handle = await channel.request('guest-file-open', { path, mode: 'r' });
  try {
    for (;;) {
      const answer = fields(await channel.request('guest-file-read', { handle, count: pieceBytes }));
      const piece = Buffer.from(String(answer['buf-b64'] ?? ''), 'base64');
      if (piece.length > 0) yield piece;
      if (answer['eof'] === true || piece.length === 0) return;
    }
  } finally {
    await channel.request('guest-file-close', { handle }).catch(() => undefined);
  }
}

/** Whole content of a file, at most 16 MiB. */
export async function readGuestText(channel: AgentChannel, path: string): Promise<string> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of readGuestFile(channel, path)) {
    size += piece.length;
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
  while (done < piece.length) {
    const rest = piece.subarray(done).toString('base64');
    const answer = fields(await channel.request('guest-file-write', { handle, 'buf-b64': rest }));
    const count = Number(answer['count'] ?? 0);
    if (count <= 0) throw new SbxError('SBX8002', 'the guest agent wrote nothing: the disk of the guest may be full');
    done += count;
  }
  return done;
}

function fields(value: Json): Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : {};
}
