import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { shellWord } from '../../src/guest/ssh.ts';
import { eventually } from '../support/sandbox-host.ts';

const program = fileURLToPath(new URL('../support/held-program.ts', import.meta.url));
const tsx = createRequire(import.meta.url).resolve('tsx');
const tsconfig = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));
const noScript = spawnSync('script', ['--version']).error === undefined ? false : 'there is no script(1)';

/** Runs the program on a terminal, closes that once it shows `when`, and gives the exit status as a shell sees it. */
async function closedDuring(t: Test, args: readonly string[], when: RegExp): Promise<string> {
  const folder = mkdtempSync('/tmp/sbx-hup-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const status = join(folder, 'status');
  const command = [process.execPath, '--import', tsx, program, ...args].map(shellWord).join(' ');
  // The inner shell outlives its terminal to write down how the program ended; the outer one dies of it, as those of people do.
  const inner = `stty rows 24 cols 80; trap : HUP; ${command}; echo $? > ${status}.new; mv ${status}.new ${status}`;
  const line = `sh -c ${shellWord(inner)}; true`;
  const env = { PATH: process.env['PATH'], TERM: 'xterm', SHELL: '/bin/sh', TSX_TSCONFIG_PATH: tsconfig };
  const terminal = spawn('script', ['-qfc', line, '/dev/null'], { cwd: folder, env, stdio: ['pipe', 'pipe', 'pipe'] });
  t.teardown(() => terminal.kill('SIGKILL'));
  let shown = '';
  terminal.stdout.on('data', (chunk) => (shown += chunk));
  await eventually(`${when} on the terminal`, () => when.test(shown)).catch((error) => {
    throw new TypeError(`the terminal shows ${JSON.stringify(shown)}`, { cause: error });
  });
  terminal.kill('SIGKILL');
  await eventually('the end of the program', () => existsSync(status));
  return readFileSync(status, 'utf8').trim();
}

t.setTimeout(300_000);

t.test('a terminal that closes interrupts what runs: a clean end, never a signal', { skip: noScript }, async (t) => {
  // Drawn by Ink, which uses standard input.
  t.equal(await closedDuring(t, ['apply', '--auto-approve'], /0 of 3 done/), '130', 'apply that is drawn');
  // As lines, with colours or without.
  t.equal(
    await closedDuring(t, ['apply', '--auto-approve', '--log-level', 'debug'], /network\.lan: setting up/),
    '130',
    'as lines',
  );
  t.equal(await closedDuring(t, ['apply', '--auto-approve', '--json'], /step-started/), '130', 'as events');
  t.match(await closedDuring(t, ['logs', '-f', 'web'], /network/), /^[01]$/, 'a log');
});
