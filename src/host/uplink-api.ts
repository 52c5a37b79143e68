// The API socket of slirp4netns: one JSON request per connection, one JSON answer, then it hangs up.
import { connect } from 'node:net';
import { SbxError } from '../core/errors.ts';

const answerWithinMs = 3000;

/** A host port of slirp4netns as its `list_hostfwd` gives it (slirp4netns(1), section API socket). */
export interface HostForward {
  readonly id: number;
  readonly protocol: 'tcp' | 'udp';
  readonly hostIp: string;
  readonly hostPort: number;
  readonly innerPort: number;
}

/** Host ports that the uplink listens on. Throws SBX6005 when it does not answer. */
export async function listForwards(socketPath: string): Promise<readonly HostForward[]> {
  const answer = await ask(socketPath, { execute: 'list_hostfwd' });
  const entries = answer['entries'];
  return Array.isArray(entries) ? entries.flatMap(forwardFrom) : [];
}

/** Opens a host port that leads to a port of the uplink's own end. Throws SBX6005 with the words of slirp4netns when it cannot. */
export async function addForward(
  socketPath: string,
  forward: Omit<HostForward, 'id'>,
  innerAddress: string,
): Promise<void> {
  await ask(socketPath, {
    execute: 'add_hostfwd',
    arguments: {
      proto: forward.protocol,
      host_addr: forward.hostIp,
      host_port: forward.hostPort,
      guest_addr: innerAddress,
      guest_port: forward.innerPort,
    },
  });
}

/** Closes a host port. Connections that it has accepted stay. */
export async function removeForward(socketPath: string, id: number): Promise<void> {
  await ask(socketPath, { execute: 'remove_hostfwd', arguments: { id } });
}

async function ask(socketPath: string, request: object): Promise<Record<string, unknown>> {
  const text = await exchange(socketPath, JSON.stringify(request));
  const answer = parsed(text);
  if (answer === undefined) throw new SbxError('SBX6005', `the uplink answered ${JSON.stringify(text.slice(0, 200))}`);
  const error = answer['error'];
  if (typeof error !== 'object' || error === null) return answer;
  const words = 'desc' in error && typeof error.desc === 'string' ? error.desc : JSON.stringify(error);
  throw new SbxError('SBX6005', `the uplink refused: ${words}`);
}

function exchange(socketPath: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(socketPath);
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(new SbxError('SBX6005', `the uplink does not answer on ${socketPath}`, { cause }));
    };
    socket.setTimeout(answerWithinMs, () => fail(undefined));
    socket.on('error', fail);
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('utf8')));
    socket.write(request);
  });
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    // Cut off, or not JSON.
    return undefined;
  }
}

function forwardFrom(entry: unknown): readonly HostForward[] {
  if (typeof entry !== 'object' || entry === null) return [];
  const { id, proto, host_addr, host_port, guest_port } = entry as Record<string, unknown>;
  if (proto !== 'tcp' && proto !== 'udp') return [];
  if (typeof id !== 'number' || typeof host_addr !== 'string') return [];
  if (typeof host_port !== 'number' || typeof guest_port !== 'number') return [];
  return [{ id, protocol: proto, hostIp: host_addr, hostPort: host_port, innerPort: guest_port }];
}
