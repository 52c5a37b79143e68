// gc: everything that sandboxes leave is found and removed, also without any state; what is in use is left alone.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { killQuietly, makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';
import { processesOf } from '../support/sandbox-host.ts';

t.setTimeout(600_000);

interface Found {
  readonly found: readonly {
    readonly type: string;
    readonly role?: string;
    readonly path?: string;
    readonly port?: string;
  }[];
  readonly spared: readonly { readonly what: string; readonly why: string }[];
  readonly removed: readonly unknown[];
  readonly failures: readonly { readonly code: string }[];
}

async function gc(host: ProgramHost, ...args: readonly string[]): Promise<Found & { readonly code: number }> {
  const { stdout, stderr, code } = await host.sbx('gc', '--json', ...args);
  if (stdout === '') throw new TypeError(stderr);
  return { code, ...(JSON.parse(stdout) as Found) };
}

const natVm = oneVm.replace('isolated', 'nat').replace('lan: {} }', 'lan: { ports: ["auto:80"] } }');

t.test(
  'without any state everything is found, removed after approval, and nothing is left',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(natVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    rmSync(join(host.home, 'state'), { recursive: true });
    const shown = await gc(host);
    t.equal(shown.code, 0, 'with --json it only shows');
    t.strictSame(
      shown.found.flatMap(({ role }) => role ?? []).sort(),
      ['VMM', 'holder', 'keeper', 'uplink'],
      'every process is found',
    );
    t.strictSame([...new Set(shown.found.map(({ type }) => type))].sort(), ['folder', 'port', 'process']);
    t.equal(processesOf(host.home).length, 4, 'and none is ended yet');
    const refused = await host.sbx('gc');
    t.equal(refused.code, 64, 'nobody can be asked');
    t.match(refused.stdout, /VMM of shop/);
    t.equal((await host.sbx('gc', '--auto-approve')).code, 0);
    t.strictSame(host.leftovers(), []);
    t.strictSame(JSON.parse(readFileSync(join(host.home, 'host.json'), 'utf8')).ports, {}, 'no port is reserved');
    t.match((await host.sbx('gc')).stdout, /Nothing to remove/);
  },
);

t.test(
  'a sandbox that is recorded is left alone, and so is one whose state cannot be read',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame((await gc(host)).found, []);
    const whole = readFileSync(host.statePath, 'utf8');
    writeFileSync(host.statePath, whole.slice(0, 100));
    const damaged = await gc(host, '--auto-approve');
    t.strictSame(damaged.found, []);
    t.match(damaged.spared, [{ what: 'sandbox shop', why: /is not JSON/ }]);
    writeFileSync(host.statePath, whole);
    t.strictSame(await host.changes(), [], 'nothing was touched');
  },
);

t.test(
  'a VMM and folders that a state no longer knows are found beside those that it does',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const before = readFileSync(host.statePath, 'utf8');
    host.write(`${oneVm}  b: { image: base, cpus: 1, memory: 256MiB }\n`);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    // An older state, as somebody who puts a backup back has it.
    writeFileSync(host.statePath, before);
    const { found } = await gc(host, '--auto-approve');
    t.strictSame(found.map(({ type }) => type).sort(), ['folder', 'folder', 'process']);
    host.write(oneVm);
    t.strictSame(await host.changes(), [], 'a goes on as recorded');
  },
);

t.test(
  'an expired sandbox goes, its protected volumes stay until --purge',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(
      `${oneVm.replace('name: shop', 'name: shop\nexpires: 1h\nvolumes: { pg: { size: 10MiB, protect: true } }')}`,
    );
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame((await gc(host)).found, [], 'its time is not over');
    for (const { pid, words } of processesOf(host.home)) if (words.includes(' watch ')) killQuietly(pid);
    const [mark = ''] = readdirSync(join(host.home, 'run'));
    writeFileSync(join(host.home, 'run', mark, 'lease'), `${Math.floor(Date.now() / 1000) - 3600}\n`);
    t.match((await gc(host)).found, [{ type: 'expired' }]);
    t.equal((await host.sbx('gc', '--auto-approve')).code, 0);
    t.strictSame(processesOf(host.home), []);
    t.ok(existsSync(join(host.home, 'volumes/shop/pg.raw')), 'a protected volume outlives it');
    rmSync(join(host.home, 'state'), { recursive: true });
    const kept = await gc(host, '--auto-approve');
    t.match(kept.spared, [{ why: /--purge/ }]);
    t.ok(existsSync(join(host.home, 'volumes/shop/pg.raw')));
    t.equal((await host.sbx('gc', '--auto-approve', '--purge')).code, 0);
    t.strictSame(host.leftovers(), []);
    mkdirSync(join(host.home, 'volumes/shop'), { recursive: true });
    t.match((await gc(host)).found, [{ type: 'folder' }], 'a folder with nothing in it is no volume');
  },
);

t.test(
  'what killed processes were writing is found: images, temporary files, locks, ports',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    const images = join(host.home, 'cache/images');
    const digest = 'a'.repeat(32);
    for (const folder of [images, join(images, `${digest}.new-x1`), join(host.home, 'state')])
      mkdirSync(folder, { recursive: true });
    const dead = execFileSync('sh', ['-c', 'echo $$'], { encoding: 'utf8' }).trim();
    writeFileSync(join(host.home, 'state', `.${dead}-abc-def.tmp`), '');
    writeFileSync(join(host.home, 'state', `.${process.pid}-abc-def.tmp`), '');
    // A pid that is not seen may be one of another pid namespace, for as long as it takes to write a file.
    writeFileSync(join(host.home, 'state', `.${dead}-abc-new.tmp`), '');
    const hourAgo = new Date(Date.now() - 3_600_000);
    for (const pid of [dead, process.pid])
      utimesSync(join(host.home, 'state', `.${pid}-abc-def.tmp`), hourAgo, hourAgo);
    writeFileSync(join(host.home, 'state/gone.lock'), '');
    writeFileSync(join(host.home, 'state/.gone.json.tmp'), '');
    writeFileSync(
      join(host.home, 'host.json'),
      JSON.stringify({ format_version: 1, ports: { '127.0.0.1:80/tcp': 'gone' } }),
    );
    const { found } = await gc(host);
    t.strictSame(found.map(({ type }) => type).sort(), ['build', 'file', 'file', 'file', 'port']);
    t.equal((await host.sbx('gc', '--auto-approve')).code, 0);
    t.strictSame(
      readdirSync(join(host.home, 'state')).sort(),
      [`.${process.pid}-abc-def.tmp`, `.${dead}-abc-new.tmp`].sort(),
      'a writer that lives keeps its file',
    );
    t.strictSame((await gc(host)).found, []);
  },
);
