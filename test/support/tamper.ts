// What a user, another program or an accident can do to a sandbox behind the back of sbx.
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { processesSaying, type Run, runProgram, type SandboxHost } from './sandbox-host.ts';

/** Pids of the processes of a sandbox whose command line holds the words. */
export function pidsOf(host: SandboxHost, words: string): readonly number[] {
  return processesSaying(host.home, words).map(({ pid }) => pid);
}

/** Ends the one process whose command line holds the words, at once. */
export function killOne(host: SandboxHost, words: string): void {
  const [pid, ...more] = pidsOf(host, words);
  if (pid === undefined || more.length > 0) throw new TypeError(`not one process, but ${more.length}: ${words}`);
  process.kill(pid, 'SIGKILL');
}

/** Runs a program inside the namespaces of the sandbox. */
export function runInside(host: SandboxHost, argv: readonly string[]): Promise<Run> {
  const [keeper] = pidsOf(host, 'holder.sh held');
  const user = process.geteuid?.() === 0 ? [] : ['-U', '--preserve-credentials'];
  const env = { ...host.env, PATH: `${host.env['PATH']}:/usr/sbin:/sbin` };
  return runProgram(['nsenter', '-t', String(keeper), ...user, '-n', '--', ...argv], { cwd: '/', env });
}

/** Names of the links of ours in the namespace: `sbxb` bridges, `sbxt` taps. */
export async function linksInside(host: SandboxHost): Promise<readonly string[]> {
  const { stdout } = await runInside(host, ['ip', '-o', 'link']);
  return [...stdout.matchAll(/^\d+: (sbx[bt]\w+)/gm)].map(([, name = '']) => name);
}

/** Says one command to the QMP socket of the only VM. */
export async function sayQmp(host: SandboxHost, command: string): Promise<void> {
  const run = join(host.home, 'run');
  const path = readdirSync(run, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('/qmp.sock'));
  const socket = connect(join(run, path ?? 'qmp.sock'));
  socket.setTimeout(30_000, () => socket.destroy(new TypeError('QMP does not answer')));
  const said = [{ execute: 'qmp_capabilities' }, { execute: command }];
  let replies = '';
  for await (const chunk of socket) {
    replies += chunk;
    const next = said.shift();
    if (next !== undefined) socket.write(JSON.stringify(next));
    else if ((replies.match(/"return"/g) ?? []).length === 2) break;
  }
}
