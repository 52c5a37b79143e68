// A QMP server on a real socket, inside the test: one client at a time, as QEMU has it, and faults on demand.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';

export interface FakeRequest {
  readonly execute: string;
  readonly arguments?: Readonly<Record<string, unknown>>;
  readonly id?: unknown;
}

export interface FakeQmp {
  readonly path: string;
  /** Everything that was asked, without ids */
  readonly asked: readonly Omit<FakeRequest, 'id'>[];
}

export interface FakeBehaviour {
  /** Text instead of the greeting; empty for none */
  readonly greeting?: string;
  /** What to do about a request: default answers `{}`. A returned value is sent as the `return` of a reply */
  readonly answer?: (request: FakeRequest, socket: Socket) => unknown;
}

export const greeting = '{"QMP":{"version":{"qemu":{"major":7,"minor":2,"micro":22}},"capabilities":["oob"]}}\r\n';

/** Whether a fake's answer is left to the test. */
export const silent = Symbol('silent');

/** A short folder that is removed after the test: sockets need short paths. */
export function shortFolder(t: Test): string {
  const folder = mkdtempSync('/tmp/sq-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An error as an answer. */
export function refusal(desc: string, errorClass = 'GenericError'): { readonly error: object } {
  return { error: { class: errorClass, desc } };
}

/** Starts a server; it ends with the test. */
export async function startFakeQmp(t: Test, path: string, behaviour: FakeBehaviour = {}): Promise<FakeQmp> {
  const asked: Omit<FakeRequest, 'id'>[] = [];
  const open = new Set<Socket>();
  const waiting: Socket[] = [];
  const serve = (socket: Socket) => {
    socket.write(behaviour.greeting ?? greeting);
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString();
      for (let end = text.indexOf('\n'); end !== -1; end = text.indexOf('\n')) {
        const { id, ...request } = JSON.parse(text.slice(0, end)) as FakeRequest;
        text = text.slice(end + 1);
        asked.push(request);
        reply(socket, behaviour, request, id);
      }
    });
    socket.on('close', () => {
      open.delete(socket);
      const next = waiting.shift();
      if (next !== undefined) serve(next);
    });
  };
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    open.add(socket);
    if (open.size === 1) serve(socket);
    else waiting.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.teardown(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { path, asked };
}

function reply(socket: Socket, behaviour: FakeBehaviour, request: FakeRequest, id: unknown): void {
  const value = behaviour.answer?.({ ...request, id }, socket);
  if (value === silent) return;
  const failed = typeof value === 'object' && value !== null && 'error' in value;
  socket.write(`${JSON.stringify({ ...(failed ? value : { return: value ?? {} }), id })}\r\n`);
}

/** Path of a socket in a new short folder. */
export function socketIn(t: Test): string {
  return join(shortFolder(t), 'qmp');
}
