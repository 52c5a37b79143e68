import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { sbx } from '../support/cli.ts';

const built = fileURLToPath(new URL('../../dist/sbx.cjs', import.meta.url));
const skip = existsSync(built) ? false : 'dist/ is not built: npm run build';
const rootOnly = skip !== false ? skip : process.getuid?.() === 0 ? false : 'needs root to hide /proc';

function folderOf(t: Test): string {
  const folder = mkdtempSync('/tmp/sbx-sur-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function shell(script: string, ...args: readonly string[]) {
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent' };
  return spawnSync('sh', ['-c', script, process.execPath, built, ...args], { encoding: 'utf8', env, input: '' });
}

t.test('in a folder that was removed sbx says so, and what needs no folder works', { skip }, async (t) => {
  const folder = folderOf(t);
  const inRemoved = (...args: readonly string[]) =>
    shell(`mkdir -p ${folder}/gone && cd ${folder}/gone && rmdir ${folder}/gone && exec "$0" "$@"`, ...args);
  for (const args of [['plan'], ['validate'], ['status'], ['init'], ['image', 'list'], ['apply', '--json']]) {
    const ran = inRemoved(...args);
    t.equal(ran.status, 1, args.join(' '));
    t.match(ran.stderr, /SBX0008/, args.join(' '));
    t.notMatch(ran.stderr, /\n\s+at /, 'no stack');
  }
  for (const args of [['--version'], ['--help'], ['plan', '--help']]) t.equal(inRemoved(...args).status, 0);
});

t.test('without /proc nothing is planned, and the reason is told', { skip: rootOnly }, async (t) => {
  const home = join(folderOf(t), 'h');
  const script = 'exec unshare -m sh -c \'mount -t tmpfs none /proc && exec "$0" "$@"\' "$0" "$@"';
  for (const args of [['status', '--sandbox', 'shop'], ['destroy', '--sandbox', 'shop'], ['gc'], ['doctor']]) {
    const ran = shell(script, ...args, '--home', home);
    t.equal(ran.status, 1, args.join(' '));
    t.match(ran.stderr, /SBX6007.*\n.*\/proc/, args.join(' '));
  }
});

t.test('what needs a terminal is refused without one, with the command that does not', async (t) => {
  for (const [argv, hint] of [
    [['shell', 'web'], /sbx exec web -- COMMAND/],
    [['exec', '-t', 'web', 'top'], /Leave -t out/],
    [['console', 'web'], /sbx logs/],
  ] as const) {
    const ran = await sbx(argv);
    t.equal(ran.code, 64, argv.join(' '));
    t.match(ran.stderr, /SBX0001/);
    t.match(ran.stderr, hint);
  }
});
