// Calls that change something, over the VMM's socket: one request in flight per VM, own time limits, no repetition.
// undici is loaded on first use, since a plan needs none of it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'undici';
import { describeError, SbxError } from '../../core/errors.ts';
import { describeRefusal, type Refusal, toRefusal } from './api-error.ts';

/** A connection to one VMM; close it. */
export interface ApiClient {
  /**
   * Sends `PUT /api/v1/<action>`. Without a body none is sent: actions refuse even `{}`. Gives the reply's text.
   * Throws ApiRefusal (SBX5002) when the VMM says no, SBX5003 when the outcome is not known: read the state then.
   */
  put(action: string, body: object | undefined, timeoutMs: number): Promise<string>;
  close(): Promise<void>;
}

/** The VMM said no. Nothing else is sent; the caller decides by `refusal`. */
export class ApiRefusal extends SbxError {
  readonly refusal: Refusal;

  constructor(action: string, refusal: Refusal) {
    super('SBX5002', `Cloud Hypervisor refused ${action}: ${describeRefusal(refusal)}`);
    this.refusal = refusal;
  }
}

/** Body limit of every release up to v53 (micro-http); above it the request would be answered with a parser error. */
const bodyLimit = 51_200;

/** How long all ten places of the listener may be taken. */
const busyMs = 2000;

const queues = new Map<string, Promise<unknown>>();

/** Opens a client on an API socket. No connection is made before the first request. */
export async function openClient(socketPath: string): Promise<ApiClient> {
  const { Client } = await import('undici');
  // The listener has ten places and never frees idle ones: one connection, and it is closed by us.
  const client = new Client('http://localhost', { socketPath, pipelining: 1, connect: { timeout: 10_000 } });
  return {
    put: (action, body, timeoutMs) => inTurn(socketPath, () => send(client, action, body, timeoutMs)),
    close: () => client.destroy(),
  };
}

/** Runs calls on one socket one after the other: the VMM serves one at a time, and a second would only eat its own time limit. */
async function inTurn<T>(socketPath: string, call: () => Promise<T>): Promise<T> {
  const before = queues.get(socketPath) ?? Promise.resolve();
  const mine = before.then(call, call);
  queues.set(socketPath, mine);
  try {
    return await mine;
  } finally {
    if (queues.get(socketPath) === mine) queues.delete(socketPath);
  }
}

async function send(client: Client, action: string, body: object | undefined, timeoutMs: number): Promise<string> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  if (text !== undefined && Buffer.byteLength(text) > bodyLimit) {
    throw new SbxError(
      'SBX5007',
      `${action} would send ${Buffer.byteLength(text)} bytes; Cloud Hypervisor takes ${bodyLimit}`,
    );
  }
  const deadline = performance.now() + busyMs;
  let { status, reply } = await exchange(client, action, text, timeoutMs);
  // 503 is sent before the request is read: nothing happened, so that asking again is safe.
  while (status === 503 && performance.now() < deadline) {
    await delay(20);
    ({ status, reply } = await exchange(client, action, text, timeoutMs));
  }
  if (status === 503) throw new SbxError('SBX5003', `Cloud Hypervisor did not take ${action}: too many connections`);
  if (status < 200 || status > 299) throw new ApiRefusal(action, toRefusal(status, reply));
  return reply;
}

async function exchange(
  client: Client,
  action: string,
  text: string | undefined,
  timeoutMs: number,
): Promise<{ status: number; reply: string }> {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), timeoutMs);
  try {
    const response = await client.request({
      method: 'PUT',
      path: `/api/v1/${action}`,
      headers: text === undefined ? {} : { 'content-type': 'application/json' },
      // A string body makes undici send Content-Length; the VMM cannot read chunks.
      ...(text === undefined ? {} : { body: text }),
      signal: controller.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    return { status: response.statusCode, reply: await response.body.text() };
  } catch (cause) {
    const why = controller.signal.aborted
      ? `no reply to ${action} within ${timeoutMs} ms`
      : `${action} broke off: ${describeError(cause)}`;
    throw new SbxError('SBX5003', `Cloud Hypervisor: ${why}`, { cause });
  } finally {
    clearTimeout(timer);
  }
}
