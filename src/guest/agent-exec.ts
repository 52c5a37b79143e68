// Commands in a guest through its agent: started, watched until they end, killed when they take too long.
import { setTimeout as delay } from 'node:timers/promises';
import { SbxError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { AgentChannel } from './agent-channel.ts';

export interface ExecOptions {
  /** Set in addition to the agent's own environment */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input; none means an empty one */
  readonly input?: Uint8Array;
  /** Kills the command after this many `ms`; default a day */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** An agent can say for ever that a command still runs: whoever gives no limit gets this one. */
const longestMs = 24 * 60 * 60_000;

/** How a command ended and what it wrote. The agent keeps at most 16 MiB of each stream; `truncated` says that it cut. */
export type ExecResult = ({ readonly exitCode: number } | { readonly signal: number }) & {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  readonly truncated: boolean;
};

/**
 * Runs a command to its end. Background children that keep its output open keep it running for the agent
 * (QEMU Guest Agent protocol reference, guest-exec-status). Throws SBX8003 when it takes too long.
 */
export async function execInGuest(
  channel: AgentChannel,
  argv: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const pid = await start(channel, argv, options);
  const timeoutMs = options.timeoutMs ?? longestMs;
  const end = performance.now() + timeoutMs;
  try {
    for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 1.5, 200)) {
      const status = asRecord(await channel.request('guest-exec-status', { pid }));
      if (status['exited'] === true) return resultOf(status);
      if (status['exited'] !== false) throw nonsense('guest-exec-status', status);
      if (performance.now() >= end)
        throw new SbxError('SBX8003', `${argv.join(' ')} did not end within ${timeoutMs} ms in the guest`);
      const restMs = Math.max(1, Math.min(pauseMs, end - performance.now()));
      await delay(restMs, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  } catch (error) {
    // The command must not outlive the one who asked for it; a guest that is gone has ended it already.
    await start(channel, ['kill', '-KILL', String(pid)], {}).catch(() => undefined);
    options.signal?.throwIfAborted();
    throw error;
  }
}

async function start(channel: AgentChannel, argv: readonly string[], options: ExecOptions): Promise<number> {
  const words = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  // The agent's own `env` replaces its environment; env(1) adds to it.
  const [path = '', ...arg] = words.length === 0 ? argv : ['env', ...words, ...argv];
  const request: Record<string, Json> = { path, arg, 'capture-output': true };
  if (options.input !== undefined && options.input.length > 0)
    request['input-data'] = Buffer.from(options.input).toString('base64');
  const answer = asRecord(await channel.request('guest-exec', request));
  const { pid } = answer;
  if (typeof pid !== 'number' || !Number.isInteger(pid) || pid < 1) throw nonsense('guest-exec', answer);
  return pid;
}

function nonsense(command: string, answer: Json): SbxError {
  return new SbxError('SBX8002', `the guest agent answers ${command} with ${JSON.stringify(answer).slice(0, 100)}`);
}

function resultOf(status: Readonly<Record<string, Json>>): ExecResult {
  const bytes = (key: string): Buffer => Buffer.from(typeof status[key] === 'string' ? status[key] : '', 'base64');
  const output = {
    stdout: bytes('out-data'),
    stderr: bytes('err-data'),
    truncated: status['out-truncated'] === true || status['err-truncated'] === true,
  };
  const { signal, exitcode } = status;
  if (typeof signal === 'number') return { signal, ...output };
  if (typeof exitcode !== 'number' || !Number.isInteger(exitcode)) throw nonsense('guest-exec-status', status);
  return { exitCode: exitcode, ...output };
}

function asRecord(value: Json): Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, Json>>)
    : {};
}
