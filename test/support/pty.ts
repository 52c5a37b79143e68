// Runs a program on a terminal of its own, as script(1) makes one, and types into it.
import { spawn } from 'node:child_process';
import { shellWord } from '../../src/guest/ssh.ts';
import { eventually, type Run } from './sandbox-host.ts';

/** What to wait for, and what is typed then. */
export type Typing = readonly [when: RegExp, keys: string];

/** Runs a program on a terminal; types each text when what was shown since the one before matches. */
export async function runOnTerminal(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  typing: readonly Typing[],
): Promise<Run> {
  const command = argv.map(shellWord).join(' ');
  const env = { ...options.env, TERM: 'xterm', SHELL: '/bin/sh' };
  const child = spawn('script', ['-qefc', command, '/dev/null'], { cwd: options.cwd, env });
  let shown = '';
  let code: number | undefined;
  child.stdout.on('data', (chunk) => (shown += chunk));
  child.stderr.on('data', (chunk) => (shown += chunk));
  // The program may end before it reads.
  child.stdin.on('error', () => undefined);
  child.on('close', (status) => (code = status ?? 255));
  let from = 0;
  try {
    for (const [when, keys] of typing) {
      await eventually(`${when} on the terminal`, () => code !== undefined || when.test(shown.slice(from)));
      from = shown.length;
      child.stdin.write(keys);
    }
    await eventually(`the end of ${command}`, () => code !== undefined);
  } catch (error) {
    throw new TypeError(`the terminal shows: ${shown}`, { cause: error });
  } finally {
    child.stdin.destroy();
    child.kill('SIGKILL');
  }
  return { code: code ?? 255, stdout: shown, stderr: '' };
}
