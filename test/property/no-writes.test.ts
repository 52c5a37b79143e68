// plan, validate and status write nothing: neither before the first apply nor after it, and they work where nothing can be
// written at all.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startHub } from '../fakes/cloud-hypervisor/install.ts';
import { straceProblem, traced } from '../support/bundled-program.ts';
import { applyOver, type ChainHost, linkTo, makeChainHost } from '../support/chain.ts';
import type { FileModel, VmModel } from '../support/generated-files.ts';
import { program } from '../support/plan-host.ts';
import { cannotOpenSpaces } from '../support/property.ts';
import { Tally } from '../support/tally.ts';

t.setTimeout(5 * 60_000);
const skip = existsSync(program) ? (straceProblem() ?? cannotOpenSpaces()) : 'needs the built sbx (npm run build)';

const vm: VmModel = {
  ...{ form: 'single', image: 'own', cmdline: null, hostname: null, root: 2, env: { T: '${var.token}' }, ready: true },
  ...{ cpus: { count: 1, room: 3 }, memory: { size: 128, room: 128 }, scratch: { s0: 1 }, state: 'running' },
  ...{ volumes: { d0: { volume: 'v0', readonly: false } }, networks: { lan: { address: 10, ports: ['P0:80'] } } },
  ...{ onExit: 'restart', dependsOn: {}, preventDestroy: false, ignore: [], triggers: [] },
};
const file: FileModel = {
  expires: '1h',
  token: 'x',
  networks: { lan: { mode: 'nat', subnet: 1 } },
  volumes: { v0: { size: 2, protect: false } },
  vms: { a: vm },
};
const grown: FileModel = {
  ...file,
  vms: { a: { ...vm, cpus: { count: 2, room: 2 } }, b: { ...vm, volumes: {}, networks: {} } },
};

const commands = [['validate'], ['plan'], ['plan', '--json'], ['status'], ['status', '--json']] as const;

t.test('nothing is opened for writing, made, renamed or removed', { skip }, async (t) => {
  const host = await hostFor(t);
  host.write(linkTo(file, undefined, host).text);
  for (const words of commands) check(t, host, 'before the first apply', words);
  const link = await applyOver(host, file, undefined, new Tally());
  for (const words of commands) check(t, host, 'after an apply', words);
  host.write(linkTo(grown, link, host).text);
  for (const words of commands) check(t, host, 'with changes', words);
});

t.test('a trace of a command that writes is seen', { skip }, async (t) => {
  const host = await hostFor(t);
  host.write(linkTo(file, undefined, host).text);
  const { writes } = run(host, ['plan', '-o', join(host.folder, 'saved')]);
  t.ok(writes.some((line) => line.includes('saved')));
});

const rootOnly = process.getuid?.() === 0 ? skip : 'needs root, for a read-only mount';
t.test('all of them work on a file system that is read-only', { skip: rootOnly }, async (t) => {
  const host = await hostFor(t);
  host.write(linkTo(file, undefined, host).text);
  const readOnly = (words: readonly string[]): void => {
    // Everything that could be written to: the folder, the home, and the folders for temporary files.
    const script = `for d in "$0" /tmp /dev/shm /var; do mount --bind "$d" "$d" && mount -o remount,bind,ro "$d" || exit 99; done
      cd "$0/box" || exit 98; touch "$0/box/x" 2>/dev/null && exit 97; exec "$@"`;
    const root = join(host.folder, '..');
    const argv = ['unshare', '-m', '/bin/sh', '-c', script, root, ...sbx(host, words)];
    const ended = spawnSync(argv[0] ?? '', argv.slice(1), { env: host.env, encoding: 'utf8' });
    t.equal(ended.status, 0, `sbx ${words.join(' ')}`, { stdout: ended.stdout, stderr: ended.stderr });
  };
  for (const words of commands) readOnly(words);
  await applyOver(host, file, undefined, new Tally());
  for (const words of commands) readOnly(words);
});

t.test(
  'what was applied is shown, stopped and destroyed without the secrets that its file asks for',
  { skip },
  async (t) => {
    const host = await hostFor(t);
    const link = await applyOver(host, file, undefined, new Tally());
    const plain = (words: readonly string[]): number | null =>
      spawnSync(process.execPath, [program, ...words, '--home', host.home], { cwd: host.folder, env: host.env }).status;
    t.equal(plain(['plan']), 3, 'a plan needs them');
    t.equal(plain(['status']), 0);
    t.equal(plain(['show']), 0);
    t.equal(plain(['stop', 'a']), 0);
    t.match((await host.world.differences(link.expected)).join(), /vm\.a VMMs: 0/, 'it is stopped');
    t.equal(plain(['start', 'a']), 0, 'a start takes them from what its guest read before');
    t.equal(plain(['destroy', '--auto-approve', '--purge']), 0);
    t.ok((await host.world.differences(link.expected)).length > 0, 'it is gone');
  },
);

async function hostFor(t: Test): Promise<ChainHost> {
  const hub = await startHub(`/tmp/sbxro-${process.pid}.sock`);
  t.teardown(() => hub.stop());
  const host = await makeChainHost(hub);
  t.teardown(host.discard);
  return host;
}

function sbx(host: ChainHost, words: readonly string[]): readonly string[] {
  const token = ['--var', 'token=x'];
  const vmm = words[0] === 'plan' ? ['--vmm', 'cloud-hypervisor'] : [];
  // What the test runner puts into every Node would write its own files.
  const node = ['env', '-u', 'NODE_OPTIONS', process.execPath];
  return [...node, program, ...words, '--home', host.home, ...token, ...vmm];
}

function check(t: Test, host: ChainHost, when: string, words: readonly string[]): void {
  const before = listing(host.home);
  const { code, writes, stderr } = run(host, words);
  t.equal(code, 0, `sbx ${words.join(' ')} ${when}`, { stderr });
  t.strictSame(writes, [], `sbx ${words.join(' ')} ${when} writes nothing`);
  t.strictSame(listing(host.home), before, 'the home is as it was');
}

function listing(home: string): readonly string[] {
  return readdirSync(home, { recursive: true }).map(String).sort();
}

/** Calls that change a file system. */
const changing =
  /^(mkdir|mkdirat|rename|renameat|renameat2|unlink|unlinkat|rmdir|link|linkat|symlink|symlinkat|mknod|mknodat|truncate|chmod|fchmodat|chown|lchown|fchownat|utime|utimes|utimensat|setxattr|lsetxattr|creat)\(/;
/** Devices and kernel files: what is written there is not kept anywhere. */
const harmless = /"\/(?:dev\/(?!shm\/)[^"]*|proc\/[^"]*)"/;

/** Runs a command under strace, and gives the calls of it and its children that changed a file system or opened for writing. */
function run(
  host: ChainHost,
  words: readonly string[],
): { code: number | null; writes: readonly string[]; stderr: string } {
  const folder = mkdtempSync('/tmp/sbxtrace-');
  try {
    const log = join(folder, 'log');
    const argv = traced(sbx(host, words), log, ['trace=%file']);
    const ended = spawnSync(argv[0] ?? '', argv.slice(1), { cwd: host.folder, env: host.env, encoding: 'utf8' });
    const calls = readFileSync(log, 'utf8')
      .split('\n')
      .map((line) => line.replace(/^\d+ +/, ''));
    const opened = (line: string): boolean =>
      /^open(at2?)?\(/.test(line) && /O_(WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line);
    const writes = calls.filter(
      (line) => (changing.test(line) || opened(line)) && !/ = -1 /.test(line) && !harmless.test(line),
    );
    return { code: ended.status, writes, stderr: ended.stderr };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
