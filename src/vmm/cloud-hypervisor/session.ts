// What every operation on a running VM shares: where it is, its time limits, reading its state, and asking for a change
// without ever repeating a request whose outcome is unknown.
import { setTimeout as delay } from 'node:timers/promises';
import { isSbxError, SbxError } from '../../core/errors.ts';
import type { VmRef } from '../driver.ts';
import { describeRefusal, kindOfRefusal, toRefusal } from './api-error.ts';
import { filesOf, type VmFiles } from './argv.ts';
import { type ApiClient, openClient } from './client.ts';
import { toVmInfo } from './convert.ts';
import { parseLossless } from './lossless.ts';
import { readSocket, type SocketRead } from './read-socket.ts';
import type { VmInfo } from './vm-config.ts';

/** Time limits in `ms`. */
export interface Limits {
  /** From spawn to the first answer on the API socket */
  readonly socketMs: number;
  /** vm.boot, which maps memory and opens every device */
  readonly bootMs: number;
  /** Any other request */
  readonly requestMs: number;
  /** The read of observe */
  readonly observeMs: number;
  /** The guest giving or taking vCPUs and memory */
  readonly resizeMs: number;
  /** The guest letting go of a device */
  readonly detachMs: number;
  /** From a removal that the guest did not answer to the next request for it, where the VMM takes a second one */
  readonly removeAgainMs: number;
  /** A connection to the guest agent */
  readonly agentMs: number;
}

export const defaultLimits: Limits = {
  socketMs: 20_000,
  bootMs: 180_000,
  requestMs: 30_000,
  observeMs: 5000,
  resizeMs: 60_000,
  detachMs: 30_000,
  removeAgainMs: 5000,
  agentMs: 4000,
};

/** A VM while one operation works on it. */
export interface Session {
  readonly files: VmFiles;
  readonly limits: Limits;
  readonly client: ApiClient;
  /** Reads the VM's state. Throws SBX5003 when there is no answer, SBX5002 when there is no VM. */
  info(): Promise<VmInfo>;
}

/** Opens a session, runs `work` in it and closes it. */
export async function withSession<T>(ref: VmRef, limits: Limits, work: (session: Session) => Promise<T>): Promise<T> {
  const files = filesOf(ref.paths);
  const client = await openClient(files.apiSocket);
  try {
    return await work({ files, limits, client, info: () => readInfo(files.apiSocket, limits.requestMs) });
  } finally {
    await client.close();
  }
}

/** GET over a socket that may be full or restarting its listener: tries again while it says so, until the limit. */
export async function readPatiently(
  socketPath: string,
  path: string,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<SocketRead> {
  const deadline = performance.now() + timeoutMs;
  let busy: SocketRead | undefined;
  // Broken connections in a row mean more than a full listener: a few tries, then it is the answer.
  for (let pauseMs = 5, tries = 0; ; pauseMs = Math.min(pauseMs * 2, 100), tries += 1) {
    const remaining = Math.max(1, deadline - performance.now());
    const result = await readSocket(socketPath, path, {
      timeoutMs: remaining,
      ...(signal === undefined ? {} : { signal }),
    });
    // When a later try runs out of time, what the earlier ones said tells more.
    if (result.type !== 'busy') return result.type === 'timeout' ? (busy ?? result) : result;
    busy = result;
    if (tries >= 8 || performance.now() + pauseMs >= deadline) return result;
    await delay(pauseMs);
  }
}

/** The state of a VM. Throws SBX5003 when there is no whole answer, SBX5002 when the VMM says no. */
export async function readInfo(socketPath: string, timeoutMs: number): Promise<VmInfo> {
  const read = await readPatiently(socketPath, '/api/v1/vm.info', timeoutMs);
  if (read.type !== 'reply')
    throw new SbxError('SBX5003', `Cloud Hypervisor gave no state: ${describeRead(read, timeoutMs)}`);
  if (read.status !== 200) {
    const refusal = toRefusal(read.status, read.text);
    const what = kindOfRefusal(refusal) === 'no-vm' ? 'holds no VM' : `gave no state: ${describeRefusal(refusal)}`;
    throw new SbxError('SBX5002', `Cloud Hypervisor ${what}`);
  }
  const info = infoOf(read.text);
  if (info === undefined)
    throw new SbxError('SBX5003', 'Cloud Hypervisor answered with something that is no state of a VM');
  return info;
}

/** Decodes a body of vm.info; undefined when it is not one. */
export function infoOf(text: string): VmInfo | undefined {
  try {
    return toVmInfo(parseLossless(text));
  } catch {
    // Not JSON: the caller says so.
    return undefined;
  }
}

/** A read without a reply, as a clause. */
export function describeRead(read: Exclude<SocketRead, { type: 'reply' }>, timeoutMs: number): string {
  switch (read.type) {
    case 'absent':
      return 'there is no socket';
    case 'refused':
      return 'nobody listens on its socket';
    case 'timeout':
      return `no answer within ${timeoutMs} ms`;
    default:
      return read.reason;
  }
}

/**
 * Asks for a change. When the answer is lost, the state is read until it shows the change or the time is over: the request
 * itself is never sent again, since the VMM may still be working on it.
 */
export async function ask(
  session: Session,
  action: string,
  body: object | undefined,
  happened: (info: VmInfo) => boolean,
): Promise<void> {
  const { requestMs } = session.limits;
  try {
    await session.client.put(action, body, requestMs);
  } catch (error) {
    if (!isSbxError(error) || error.code !== 'SBX5003') throw error;
    if (!(await waitForInfo(session, happened, Math.min(requestMs, 10_000)).catch(() => false))) throw error;
  }
}

/** Reads the state until it satisfies `done`; false when it does not within the time. */
export async function waitForInfo(
  session: Session,
  done: (info: VmInfo) => boolean,
  timeoutMs: number,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 250)) {
    if (done(await session.info())) return true;
    if (performance.now() + pauseMs >= deadline) return false;
    await delay(pauseMs);
  }
}
