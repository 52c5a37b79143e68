// Processes of another user with words that could be taken for ours. They need a test that root runs.
import { type ChildProcess, spawn } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { commandLineOf } from '../../src/host/processes.ts';

/** Why there can be no other user here; false when there can. */
export const whyNoOtherUser: string | false =
  process.getuid?.() === 0 ? false : 'needs root: starts processes of another user';

/** Who runs a process: another user altogether, or another user's program with the rights of root, as `su` is. */
export type Whose = 'another user' | 'setuid';

/** Starts a process that idles with these words behind a program of this name; it ends with the test. */
export async function impostor(
  t: Test,
  whose: Whose,
  program: string,
  words: readonly string[],
): Promise<ChildProcess> {
  const folder = await mkdtemp('/tmp/other-');
  const path = join(folder, program);
  symlinkSync('/bin/cat', path);
  const user = whose === 'setuid' ? ['--ruid', '12345'] : ['--reuid', '12345', '--regid', '12345', '--clear-groups'];
  // It copies a pipe that stays open, and would look at the other words only then.
  const child = spawn('setpriv', [...user, path, '-', '--', ...words], {
    stdio: ['pipe', 'ignore', 'ignore'],
    cwd: '/',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  });
  while (commandLineOf(child.pid ?? 0)[0] !== path) {
    if (child.exitCode !== null) throw new TypeError(`the process of another user ended with ${child.exitCode}`);
    await new Promise(setImmediate);
  }
  return child;
}

/** Whether it has not been ended. */
export function isUnharmed(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}
