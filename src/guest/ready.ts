// Waiting until a VM is ready: its agent answers, a port or a page of it does, or a command inside it succeeds.
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ready } from '../core/desired.ts';
import { describeError, SbxError } from '../core/errors.ts';
import { formatDuration } from '../core/units.ts';
import { tryRun } from '../host/exec.ts';
import { type AgentSession, waitForAgent } from './agent.ts';

/** What waiting needs of the world. */
export interface ReadyContext {
  /** A fresh stream to the guest agent */
  readonly openAgent: () => Promise<Duplex>;
  /** Turns a command into one that runs inside the sandbox's namespace */
  readonly enter: (argv: readonly string[]) => readonly string[];
  /** Where a port of the guest is reached from there; undefined when it cannot be, as behind a VMM's own user network */
  readonly reach: (port: number) => { readonly host: string; readonly port: number } | undefined;
  /** Path of the built `connect-probe` program */
  readonly probeScript: string;
  readonly signal?: AbortSignal;
}

const pauseMs = 250;

/** Resolves when the VM is ready. Throws SBX8004 with what was last seen when it is not in time. */
export async function waitUntilReady(ready: Ready, context: ReadyContext): Promise<void> {
  const end = performance.now() + ready.timeoutMs;
  try {
    await waitFor(ready, end, context);
  } catch (cause) {
    context.signal?.throwIfAborted();
    const said = describeError(cause);
    // Whoever waits for the agent says by itself that it did not answer, and for how long.
    const seen = ready.type === 'boot' ? said.replace(/^the guest agent did not answer within [^:]*(: )?/, '') : said;
    const what = `${notReady(ready)} within ${formatDuration(ready.timeoutMs)}`;
    throw new SbxError('SBX8004', seen === '' ? what : `${what}: ${seen}`, {
      hint: 'The log of the VM may say why, and ready: timeout gives it longer. A guest without an agent takes ready: none.',
    });
  }
}

/** What did not happen, as the beginning of a sentence. */
function notReady(ready: Ready): string {
  if (ready.type === 'boot') return 'The guest agent did not answer';
  if (ready.type === 'tcp') return `Port ${ready.port} did not accept connections`;
  if (ready.type === 'http') return `http on port ${ready.port}, ${ready.path}, did not answer`;
  return `${ready.argv.join(' ')} did not succeed`;
}

async function waitFor(ready: Ready, end: number, context: ReadyContext): Promise<void> {
  if (ready.type === 'tcp' || ready.type === 'http') {
    const target = context.reach(ready.port);
    if (target !== undefined) return await probe(ready, target, end, context);
    if (ready.type === 'http') throw new SbxError('SBX8004', `port ${ready.port} is not published on this host`);
  }
  const session = await waitForAgent(context.openAgent, { timeoutMs: restMs(end) }, context.signal);
  try {
    if (ready.type === 'exec') await untilTrue(end, context, () => succeeds(session, ready.argv, end));
    if (ready.type === 'tcp') await untilTrue(end, context, () => listens(session, ready.port));
  } finally {
    session.close();
  }
}

async function probe(
  ready: Extract<Ready, { type: 'tcp' | 'http' }>,
  target: { readonly host: string; readonly port: number },
  end: number,
  context: ReadyContext,
): Promise<void> {
  const argv = context.enter(probeArgv(context.probeScript, ready, target, restMs(end)));
  const limits = { timeoutMs: restMs(end) + 10_000 };
  const result = await tryRun(argv, { ...limits, ...(context.signal === undefined ? {} : { signal: context.signal }) });
  if (result.code === 0) return;
  const seen = result.stdout.trim() || result.stderr.trim() || `the probe ended with ${result.code}`;
  throw new SbxError('SBX8004', seen);
}

/** Command line of the probe program for a port or a page. Pure. */
export function probeArgv(
  script: string,
  ready: Extract<Ready, { type: 'tcp' | 'http' }>,
  target: { readonly host: string; readonly port: number },
  timeoutMs: number,
): readonly string[] {
  const words = [ready.type, target.host, String(target.port), String(Math.ceil(timeoutMs))];
  return [process.execPath, script, ...words, ...(ready.type === 'http' ? [ready.path] : [])];
}

/** Repeats a test of the guest until it passes; what it says otherwise is the reason at the end. */
async function untilTrue(end: number, context: ReadyContext, test: () => Promise<string | undefined>): Promise<void> {
  for (;;) {
    const seen = await test();
    if (seen === undefined) return;
    if (performance.now() + pauseMs >= end) throw new SbxError('SBX8004', seen);
    await delay(pauseMs, undefined, context.signal === undefined ? {} : { signal: context.signal });
  }
}

async function succeeds(session: AgentSession, argv: readonly string[], end: number): Promise<string | undefined> {
  try {
    const result = await session.exec(argv, { timeoutMs: restMs(end) });
    if ('exitCode' in result && result.exitCode === 0) return undefined;
    const how = 'exitCode' in result ? `ended with ${result.exitCode}` : `was ended by signal ${result.signal}`;
    const said = (result.stderr.toString().trim() || result.stdout.toString().trim()).slice(-300);
    return said === '' ? `it ${how}` : `it ${how}: ${said}`;
  } catch (error) {
    // A program that is not there yet is no reason to give up; a guest that is gone is one.
    if (error instanceof SbxError && error.code === 'SBX8002' && error.message.includes('refused'))
      return error.message;
    throw error;
  }
}

/** Whether something listens on a TCP port, by the guest's own tables (proc_net_tcp of the Linux kernel: state 0A). */
async function listens(session: AgentSession, port: number): Promise<string | undefined> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const rows = (await session.readText(table).catch(() => '')).split('\n').map((line) => line.trim().split(/\s+/));
    if (rows.some((row) => row[1]?.endsWith(local) === true && row[3] === '0A')) return undefined;
  }
  return `nothing listens on port ${port} in the guest`;
}

function restMs(end: number): number {
  return Math.max(1, Math.ceil(end - performance.now()));
}
