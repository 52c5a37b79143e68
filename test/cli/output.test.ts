import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, type Readable, Writable } from 'node:stream';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { commandTable } from '../../src/cli/commands/index.ts';
import type { Guest } from '../../src/cli/find-guest.ts';
import { followLog } from '../../src/cli/follow-log.ts';
import { throughSsh } from '../../src/cli/guest-ssh.ts';
import { bundledProgram } from '../support/bundled-program.ts';
import { sbx } from '../support/cli.ts';
import { loudBytes, loudServices } from '../support/loud-services.ts';

t.setTimeout(600_000);
const [file = '', ...start] = bundledProgram(t, 'loud-program');
const built = fileURLToPath(new URL('../../dist/sbx.cjs', import.meta.url));
const unbuilt = existsSync(built) ? false : 'dist/ is not built: npm run build';

/** Arguments of every command, with the stream on which it has most to say. Few words are those that fit into any pipe. */
const table: Readonly<
  Record<string, { readonly argv?: readonly string[]; readonly loud: 'stdout' | 'stderr' | 'few words' | 'no words' }>
> = {
  init: { loud: 'few words' },
  validate: { loud: 'stderr' },
  plan: { loud: 'stdout' },
  apply: { argv: ['apply', '--auto-approve'], loud: 'stdout' },
  destroy: { argv: ['destroy', '--auto-approve'], loud: 'stdout' },
  status: { loud: 'stdout' },
  show: { loud: 'stdout' },
  output: { argv: ['output', 'db'], loud: 'stdout' },
  start: { argv: ['start', 'web'], loud: 'stdout' },
  stop: { argv: ['stop', 'web'], loud: 'stdout' },
  restart: { argv: ['restart', 'web'], loud: 'stdout' },
  exec: { argv: ['exec', 'web', 'true'], loud: 'stdout' },
  shell: { argv: ['shell', 'web'], loud: 'no words' },
  cp: { argv: ['cp', 'a', 'web:/a'], loud: 'no words' },
  logs: { argv: ['logs', 'web'], loud: 'stdout' },
  console: { argv: ['console', 'web'], loud: 'no words' },
  'image list': { loud: 'stdout' },
  'image build': { argv: ['image', 'build', 'tiny'], loud: 'stderr' },
  'image verify': { loud: 'stdout' },
  'image prune': { loud: 'stdout' },
  doctor: { loud: 'stdout' },
  gc: { argv: ['gc', '--dry-run'], loud: 'stdout' },
  version: { loud: 'few words' },
};
const cases = Object.entries(table).map(([name, row]) => ({ name, argv: row.argv ?? name.split(' '), loud: row.loud }));

function folderOf(t: Test): string {
  const folder = mkdtempSync('/tmp/sbx-out-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Length and digest of all that comes out of a pipe which is emptied a little at a time. */
async function readSlowly(pipe: Readable): Promise<string> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of pipe) {
    bytes += (chunk as Buffer).length;
    // Events tell the time, which is another one in every run.
    hash.update((chunk as Buffer).toString('latin1').replaceAll(/[0-9]/g, '0'));
    await setImmediate();
  }
  return `${bytes} ${hash.digest('hex')}`;
}

const digestOf = (text: string): string =>
  `${Buffer.byteLength(text)} ${createHash('sha256').update(Buffer.from(text).toString('latin1').replaceAll(/[0-9]/g, '0')).digest('hex')}`;

t.test('the table names every command', async (t) => {
  const names = commandTable.flatMap((entry) =>
    'commands' in entry ? entry.commands.map(({ name }) => `${entry.name} ${name}`) : [entry.name],
  );
  t.strictSame(Object.keys(table).toSorted(), names.toSorted());
});

t.test('whatever a command says gets through a slow pipe whole', { timeout: 300_000 }, async (t) => {
  const cwd = folderOf(t);
  const loudly = cases.filter(({ loud }) => loud === 'stdout' || loud === 'stderr');
  const documents = ['plan', 'apply --auto-approve', 'status', 'validate'].map((text) => [
    ...text.split(' '),
    '--json',
  ]);
  for (const { argv, loud } of [...loudly, ...documents.map((argv) => ({ argv, loud: 'stdout' }))]) {
    const words = argv.join(' ');
    const expected = await sbx(argv, { cwd, makeServices: () => loudServices() });
    const longest = loud === 'stderr' ? expected.stderr : expected.stdout;
    t.ok(longest.length >= loudBytes, `${words} says ${longest.length} bytes`);
    const child = spawn(file, [...start, ...argv], {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([readSlowly(child.stdout), readSlowly(child.stderr)]);
    const [code] = (await ended) as [number | null];
    t.equal(stdout, digestOf(expected.stdout), `standard output of ${words}`);
    t.equal(stderr, digestOf(expected.stderr), `standard error of ${words}`);
    t.equal(code, expected.code, `exit code of ${words}`);
  }
});

t.test('a write that fails is exit 1 and a sentence, whatever the command', { timeout: 300_000 }, async (t) => {
  const env = { PATH: process.env['PATH'], SHARE: '0.0001' };
  for (const { argv, loud } of [
    ...cases,
    { argv: ['--help'], loud: 'few words' },
    { argv: ['--version'], loud: 'few words' },
    { argv: ['plan', '--detailed-exitcode'], loud: 'stdout' },
    { argv: ['plan', '--json'], loud: 'stdout' },
  ]) {
    if (loud === 'no words' || loud === 'stderr') continue;
    const full = openSync('/dev/full', 'w');
    const ran = spawnSync(file, [...start, ...argv], {
      env,
      cwd: folderOf(t),
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    t.equal(ran.status, 1, argv.join(' '));
    t.match(ran.stderr, /SBX0007.*\n.*Standard output cannot be written: .*ENOSPC/, argv.join(' '));
    t.notMatch(ran.stderr, /\n\s+at /, 'no stack');
  }
});

t.test('an exit code that already tells of a failure is kept', async (t) => {
  const full = openSync('/dev/full', 'w');
  const ran = spawnSync(file, [...start, 'plan', '--json', '--max-impact', 'nothing'], {
    stdio: ['ignore', full, 'pipe'],
  });
  t.equal(ran.status, 64);
});

t.test('a disk that takes only part of a write is a write that failed', async (t) => {
  const folder = folderOf(t);
  // 512 KiB: a limit that cuts a write in two, as a full disk does.
  const script = 'ulimit -f 512; exec "$0" "$@" > out';
  const ran = spawnSync('bash', ['-c', script, file, ...start, 'plan'], { cwd: folder, encoding: 'utf8' });
  t.equal(ran.status, 1);
  t.match(ran.stderr, /SBX0007/);
  t.ok(readFileSync(join(folder, 'out')).length > 0);
});

t.test('a reader that goes away ends any command without a word', { timeout: 300_000 }, async (t) => {
  for (const argv of [
    ['plan'],
    ['plan', '--json'],
    ['apply', '--auto-approve'],
    ['status'],
    ['exec', 'web', 'true'],
    ['logs', 'web'],
  ]) {
    const script = '"$0" "$@" | head -c 1 > /dev/null; echo "${PIPESTATUS[0]}"';
    const ran = spawnSync('bash', ['-c', script, file, ...start, ...argv], { encoding: 'utf8' });
    t.not(ran.stdout.trim(), '0', argv.join(' '));
    t.notMatch(ran.stderr, /SBX0007|EPIPE|\n\s+at /, argv.join(' '));
  }
});

t.test('the built program waits for its output too', { skip: unbuilt }, async (t) => {
  const folder = folderOf(t);
  const vms = Array.from({ length: 3000 }, (_none, n) => `  machine-with-a-long-name-${n}: { image: base }\n`).join('');
  writeFileSync(join(folder, 'sbx.yaml'), `version: 1\nname: shop\nimages: { base: { build: tiny } }\nvms:\n${vms}`);
  const argv = [built, '--home', join(folder, 'h'), 'plan', '--against', 'sbx.yaml', '--json'];
  const whole = spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8', maxBuffer: 1e9 });
  t.equal(whole.status, 0, whole.stderr);
  const full = openSync('/dev/full', 'w');
  for (const args of [['--version'], ['version'], ['--help'], ['plan', '--against', 'sbx.yaml']]) {
    const ran = spawnSync(process.execPath, [built, ...args], {
      cwd: folder,
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    t.equal(ran.status, 1, args.join(' '));
    t.match(ran.stderr, /tandard output cannot be written/, args.join(' '));
    t.notMatch(ran.stderr, /\n\s+at /, 'no stack');
  }
});

t.test('a command in a guest ends when nothing can take its output', async (t) => {
  const full = new Writable({ write: (_chunk, _encoding, done) => done(new TypeError('no space left')) });
  full.on('error', () => undefined);
  const io = { stdin: new PassThrough().end(), stdout: full, stderr: new PassThrough().resume() };
  const target = { enter: () => ['yes'], ip: '10.0.0.2', keyPath: '/k', knownHostsPath: '/h' };
  const guest = { record: { address: 'vm.a', attrs: { ready: null }, facts: {} } } as unknown as Guest;
  const { signal } = new AbortController();
  t.equal(await throughSsh(guest, target, { argv: ['yes'], io, tty: false, signal, timeoutMs: 1000 }), 125);
});

t.test('a log is read no faster than it is taken', async (t) => {
  const path = join(folderOf(t), 'log');
  writeFileSync(path, Buffer.alloc(loudBytes, 'x'));
  let [inHand, most, taken] = [0, 0, 0];
  const write = async (chunk: Uint8Array): Promise<boolean> => {
    inHand += 1;
    most = Math.max(most, inHand);
    await setImmediate();
    inHand -= 1;
    taken += chunk.length;
    return taken < loudBytes / 2;
  };
  await followLog(path, { follow: true, write, signal: new AbortController().signal });
  t.equal(most, 1, 'one chunk at a time');
  t.equal(taken, loudBytes / 2, 'and none once nothing can be written');
});
