// A disk that is full or read-only: nothing is lost, what cannot be written is said before anything is done, and with room again
// the next apply finishes.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holds, makeProgramHost, oneVm, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';
import { processesOf, processesSaying, type Run, runProgram } from '../support/sandbox-host.ts';
import { noMount, smallDisk } from '../support/small-disk.ts';

t.setTimeout(600_000);
const skip = noMount ?? whyNoProgram;

/** Runs sbx where the home is read-only: in a mount namespace of its own, since the VMMs write to their logs. */
async function readOnly(host: ProgramHost, ...args: readonly string[]): Promise<Run> {
  const mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"';
  const argv = ['unshare', '-m', '--propagation', 'private', 'sh', '-c', mount, host.home, ...host.argv(...args)];
  return await runProgram(argv, { cwd: host.folder, env: host.env });
}

t.test(
  'a disk that is full while the journal is written stops the apply; with room the next one finishes',
  { skip, timeout: 600_000 },
  async (t) => {
    const disk = smallDisk(t, 8 * 1024);
    const host = await makeProgramHost(t, {
      home: join(disk.folder, 'h'),
      settings: { LATENCY: JSON.stringify({ 'vm.boot': 8000 }) },
    });
    host.write(oneVm);
    const apply = host.start('apply', '--auto-approve');
    await until('the boot began', () => holds(host.journalPath, '"op":"vm.start"'));
    disk.fill();
    const { code, stderr } = await apply.ended;
    t.equal(code, 1, 'the apply could not go on', { stderr });
    t.match(stderr, /SBX4008/);
    t.match(stderr, /no space left/i);
    t.match(stderr, /Make room on that disk/);
    const full = await host.sbx('plan');
    t.match(full.stdout + full.stderr, /vm\.a/, 'a plan writes nothing, and says what is left or what it lacks');
    t.notMatch(full.stderr, /SBX9|SBX4008/);
    const again = await host.sbx('apply', '--auto-approve');
    t.equal(again.code, 1, 'and an apply on the full disk says so');
    t.match(again.stderr, /SBX4008|SBX3112/);
    disk.free();
    await host.fake.set({ LATENCY: '{}' });
    const finished = await host.sbx('apply', '--auto-approve');
    t.equal(finished.code, 0, 'with room it finishes', { stderr: finished.stderr });
    t.strictSame(await host.changes(), []);
    t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
    t.strictSame(processesOf(host.home), []);
  },
);

t.test(
  'on a read-only home a plan works, and an apply says so before it does anything',
  { skip, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    await host.calls();
    const before = readFileSync(host.statePath, 'utf8');
    host.write(oneVm.replace('count: 1,', 'count: 2,'));
    for (const args of [['plan'], ['status'], ['show'], ['output'], ['gc', '--dry-run'], ['validate']]) {
      const { code, stderr } = await readOnly(host, ...args);
      t.equal(code, 0, `sbx ${args.join(' ')} works`, { stderr });
    }
    const { code, stderr } = await readOnly(host, 'apply', '--auto-approve');
    t.equal(code, 1);
    t.match(stderr, /SBX4008/);
    t.match(stderr, /read-only/i);
    t.notMatch(stderr, /SBX9/);
    t.notOk((await host.calls()).includes('vm.resize'), 'nothing was done');
    t.equal(readFileSync(host.statePath, 'utf8'), before);
  },
);

t.test(
  'a home that cannot be made is told before anything is done',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    // Of no image, so that no space for one is missing.
    host.write('version: 1\nname: shop\nnetworks: { lan: { mode: isolated } }\n');
    for (const home of [join(host.folder, 'vmlinuz/h'), '/proc/nowhere']) {
      t.equal((await host.sbx('plan', '--home', home)).code, 0);
      const { code, stderr } = await host.sbx('apply', '--auto-approve', '--home', home);
      t.equal(code, 1, home);
      t.match(stderr, /SBX4008/);
    }
    t.notOk(existsSync(host.statePath));
  },
);

const leasedNat = oneVm
  .replace('name: shop', 'name: shop\nexpires: 1h')
  .replace('mode: isolated', 'mode: nat')
  .replace('networks: { lan: {} } }', 'networks: { lan: { ports: ["auto:80"] } } }');

t.test('on a full disk stop and destroy work, one after the other', { skip, timeout: 600_000 }, async (t) => {
  const disk = smallDisk(t, 8 * 1024);
  const host = await makeProgramHost(t, { home: join(disk.folder, 'h') });
  host.write(leasedNat);
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  disk.fill();
  const stopped = await host.sbx('stop', 'a');
  t.equal(stopped.code, 0, 'stop', stopped);
  disk.fill();
  const destroyed = await host.sbx('destroy', '--auto-approve');
  t.equal(destroyed.code, 0, 'destroy', destroyed);
  t.strictSame(host.leftovers(), []);
});

t.test(
  'on a full disk the lease ends a sandbox, and gc removes an expired one',
  { skip, timeout: 600_000 },
  async (t) => {
    for (const how of ['lease', 'gc'] as const) {
      const disk = smallDisk(t, 8 * 1024);
      const host = await makeProgramHost(t, { home: join(disk.folder, 'h') });
      host.write(leasedNat);
      t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
      const run = join(host.home, 'run');
      const lease = join(run, readdirSync(run)[0] ?? '', 'lease');
      // In place, as the room of its page is there.
      writeFileSync(lease, '1000000000\n', { flag: 'r+' });
      disk.fill();
      const watchers = processesSaying(host.home, 'holder.sh watch');
      if (how === 'lease') for (const { pid } of watchers) process.kill(pid, 'SIGCONT');
      else {
        for (const { pid } of watchers) process.kill(pid, 'SIGKILL');
        const gc = await host.sbx('gc', '--auto-approve');
        t.equal(gc.code, 0, 'gc', gc);
      }
      await until(`${how}: everything is gone`, () => host.leftovers().length === 0);
      t.notOk(existsSync(host.statePath));
    }
  },
);
