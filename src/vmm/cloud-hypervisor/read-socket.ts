// One GET over the VMM's socket, on the path of every plan: bare node:net, one connection, closed by us after the reply.
// Cloud Hypervisor ignores `Connection: close` and never times out, so length and time are counted here.
import { Buffer } from 'node:buffer';
import { connect } from 'node:net';
import { errnoOf } from '../../core/errors.ts';

/** How one read ended. `text` is the body as it came; `reason` is a clause for people. */
export type SocketRead =
  | { readonly type: 'reply'; readonly status: number; readonly text: string }
  /** No such file */
  | { readonly type: 'absent' }
  /** A socket file that nobody listens on */
  | { readonly type: 'refused' }
  /** The listener has no free place, or closed or reset before a whole reply; another try may do better */
  | { readonly type: 'busy'; readonly reason: string }
  /** Not a reply of HTTP, or too much of it */
  | { readonly type: 'garbled'; readonly reason: string }
  | { readonly type: 'timeout' }
  /** The file cannot be opened: no right, no socket */
  | { readonly type: 'failed'; readonly reason: string };

export interface ReadLimits {
  readonly timeoutMs: number;
  /** Ends the wait as the limit does */
  readonly signal?: AbortSignal;
  /** Largest reply that is taken, in `bytes`; default 4 MiB */
  readonly maxBytes?: number;
}

/** Sends `GET path` and gives the reply. Never throws; resolves within the time limit. */
export function readSocket(socketPath: string, path: string, limits: ReadLimits): Promise<SocketRead> {
  return new Promise((resolve) => {
    const maxBytes = limits.maxBytes ?? 4 * 1024 * 1024;
    const socket = connect(socketPath);
    let received: Buffer = Buffer.alloc(0);
    const chunks: Buffer[] = [];
    let missing = 0;
    const finish = (result: SocketRead): void => {
      clearTimeout(timer);
      // What still arrives after this is of no interest, an error neither.
      socket.removeAllListeners('data').removeAllListeners('end');
      socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => finish({ type: 'timeout' }), limits.timeoutMs);
    limits.signal?.addEventListener('abort', () => finish({ type: 'timeout' }), { once: true });
    // Written at once: node sends it when connected. Never half-closed: the VMM takes that for a hang-up.
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n\r\n`);
    const look = (ended: boolean): SocketRead | undefined => {
      received = chunks.length === 0 ? received : Buffer.concat([received, ...chunks.splice(0)]);
      const result = parseReply(received, ended);
      if (typeof result !== 'number') return result;
      missing = result;
      if (received.length + Math.max(0, missing) <= maxBytes) return undefined;
      return { type: 'garbled', reason: `reply of more than ${maxBytes} bytes` };
    };
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      missing -= chunk.length;
      // Pieces are put together once: a long reply in many of them costs no more than a short one.
      const result = missing > 0 ? undefined : look(false);
      if (result !== undefined) finish(result);
    });
    socket.on('end', () => {
      const nothing = received.length === 0 && chunks.length === 0;
      finish(
        look(true) ?? {
          type: 'busy',
          reason: nothing ? 'closed without a reply' : 'closed in the middle of a reply',
        },
      );
    });
    socket.on('error', (error) => finish(fromError(error)));
  });
}

function fromError(error: Error): SocketRead {
  switch (errnoOf(error)) {
    case 'ENOENT':
      return { type: 'absent' };
    case 'ECONNREFUSED':
      return { type: 'refused' };
    case 'ECONNRESET':
    case 'EPIPE':
    case 'EAGAIN':
      return { type: 'busy', reason: `connection broke (${errnoOf(error)})` };
    default:
      return { type: 'failed', reason: error.message };
  }
}

/**
 * Reads a reply out of the bytes so far, or says how many more are needed at least. `ended` says that no more will come. A
 * reply without Content-Length has no body (1xx, 204, and empty bodies of older releases) unless the connection ends after it.
 */
export function parseReply(bytes: Buffer, ended: boolean): SocketRead | number {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return bytes.length > 16 * 1024 || !looksLikeHttp(bytes) ? notHttp : 1;
  const head = bytes.toString('latin1', 0, headEnd);
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
  if (status === undefined) return notHttp;
  const bodyStart = headEnd + 4;
  const declared = /\r\ncontent-length: *(\d{1,10})/i.exec(head)?.[1];
  if (declared === undefined) {
    if (status === '100') return parseReply(bytes.subarray(bodyStart), ended);
    if (status !== '204' && !ended) return 1;
    return reply(status, status === '204' ? '' : bytes.toString('utf8', bodyStart));
  }
  const bodyEnd = bodyStart + Number(declared);
  return bytes.length < bodyEnd ? bodyEnd - bytes.length : reply(status, bytes.toString('utf8', bodyStart, bodyEnd));
}

const notHttp: SocketRead = { type: 'garbled', reason: 'answered with something that is not HTTP' };

function looksLikeHttp(bytes: Buffer): boolean {
  const start = 'HTTP/1.';
  return start.startsWith(bytes.toString('latin1', 0, Math.min(bytes.length, start.length)));
}

function reply(status: string, text: string): SocketRead {
  // The listener's own word for "ten connections already", sent before it has read the request.
  if (status === '503') return { type: 'busy', reason: 'has too many connections' };
  return { type: 'reply', status: Number(status), text };
}
