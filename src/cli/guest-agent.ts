// Commands through the guest agent, for guests without a network: output comes at the end, and there is no terminal.

import { SbxError } from '../core/errors.ts';
import { openAgentSession, waitForAgent } from '../guest/agent.ts';
import type { ExecResult } from '../guest/agent-exec.ts';
import { patienceOf, sayWaiting } from './boot-patience.ts';
import { exitCodes } from './exit.ts';
import type { Guest } from './find-guest.ts';
import type { GuestCommand } from './services.ts';
import { writeOut } from './write-out.ts';

/** Least time that one question to the agent gets, in `ms` */
const askMs = 5000;

/** Runs a command to its end; gives its exit code, 127 and 126 for a program that is not there or cannot be run. */
export async function execByAgent(guest: Guest, command: GuestCommand): Promise<number> {
  const { argv, io, signal } = command;
  try {
    const result = await run(guest, command);
    const out = await Promise.all([writeOut(io.stdout, result.stdout), writeOut(io.stderr, result.stderr)]);
    if (out.includes(false)) return exitCodes.ownFailure;
    return 'exitCode' in result ? result.exitCode : 128 + result.signal;
  } catch (error) {
    if (signal.aborted) return exitCodes.interrupted;
    const code = notRunCode(error);
    if (code === undefined) throw error;
    io.stderr.write(`${argv[0] ?? ''}: ${code === 127 ? 'not found' : 'cannot be run'} in ${guest.record.address}\n`);
    return code;
  }
}

async function run(guest: Guest, command: GuestCommand): Promise<ExecResult> {
  const { io, signal, timeoutMs, argv } = command;
  const limitMs = patienceOf(guest, timeoutMs);
  const notice = setTimeout(() => sayWaiting(io, guest, limitMs, 'its agent'), 1000);
  const open = () => guest.driver.openAgent(guest.ref);
  const session = await (limitMs > askMs
    ? waitForAgent(open, { timeoutMs: limitMs }, signal)
    : openAgentSession(open, { timeoutMs: askMs, signal })
  ).finally(() => clearTimeout(notice));
  try {
    return await session.exec(argv, { signal });
  } finally {
    session.close();
  }
}

/** What a shell would end with where the agent refuses to start a program: it quotes the words of the guest's C library. */
function notRunCode(error: unknown): 126 | 127 | undefined {
  if (!(error instanceof SbxError) || error.code !== 'SBX8002' || !error.message.includes('guest-exec'))
    return undefined;
  if (/No such file or directory|not found/i.test(error.message)) return 127;
  return /Permission denied|Exec format error|Is a directory/i.test(error.message) ? 126 : undefined;
}
