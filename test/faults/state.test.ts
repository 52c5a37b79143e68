// A state that is newer, cut, edited or lost; two applies at once; a reboot of the host: nothing is lost, and it is said what is so.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holds, killQuietly, makeProgramHost, oneVm, until, whyNoProgram } from '../support/program-host.ts';
import { processesOf } from '../support/sandbox-host.ts';

t.setTimeout(600_000);
const options = { skip: whyNoProgram, timeout: 600_000 };

const harms: readonly { readonly name: string; readonly harm: (text: string) => string; readonly code: RegExp }[] = [
  { name: 'newer', harm: (text) => text.replace('"format_version": 1', '"format_version": 2'), code: /SBX4003/ },
  { name: 'cut', harm: (text) => text.slice(0, text.length / 2), code: /SBX4002/ },
  { name: 'empty', harm: () => '', code: /SBX4002/ },
  { name: 'edited by hand', harm: (text) => text.replace('"status":"ready"', '"status":"fine"'), code: /SBX4002/ },
  { name: 'of another sandbox', harm: (text) => text.replace('"name": "shop"', '"name": "shed"'), code: /SBX4002/ },
];

t.test(
  'a damaged or newer state stops every command before it does anything, and names the backups',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    host.write(oneVm.replace('count: 1,', 'count: 2,'));
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const whole = readFileSync(host.statePath, 'utf8');
    const running = processesOf(host.home).length;
    await host.calls();
    for (const { name, harm, code } of harms) {
      const harmed = harm(whole);
      t.not(harmed, whole, `the test harms it: ${name}`);
      writeFileSync(host.statePath, harmed);
      for (const args of [['plan'], ['apply', '--auto-approve'], ['destroy', '--auto-approve']]) {
        const ran = await host.sbx(...args);
        t.equal(ran.code, 1, `${name}: ${args[0]} ends with 1`);
        t.match(ran.stderr, code);
        if (name !== 'newer') t.match(ran.stderr, /backups\/shop/, 'backups are named');
      }
      t.equal(readFileSync(host.statePath, 'utf8'), harmed, 'the file is as it was');
    }
    t.strictSame(await host.calls(), [], 'no VMM was asked anything');
    t.equal(processesOf(host.home).length, running);
    writeFileSync(host.statePath, whole);
    t.strictSame(await host.changes(), [], 'put back, all is well');
  },
);

t.test(
  'a backup that is put back finds what is newer than it as drift or as a change, and converges',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    host.write(oneVm.replace('count: 1,', 'count: 2,'));
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const backups = join(host.home, 'backups/shop');
    const [first = ''] = readdirSync(backups).sort();
    writeFileSync(host.statePath, readFileSync(join(backups, first), 'utf8'));
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame(await host.changes(), []);
  },
);

t.test(
  'of two applies at once the second is refused with the name of the first, or waits for it',
  options,
  async (t) => {
    const host = await makeProgramHost(t, { settings: { LATENCY: JSON.stringify({ 'vm.boot': 8000 }) } });
    host.write(oneVm);
    const first = host.start('apply', '--auto-approve');
    await until('the boot began', () => holds(host.journalPath, '"op":"vm.start"'));
    // Held in the middle of its work, however long the others take.
    first.kill('SIGSTOP');
    const second = await host.sbx('apply', '--auto-approve');
    t.equal(second.code, 4);
    t.match(second.stderr, new RegExp(`process ${first.pid} .*sbx .*apply --auto-approve`));
    const waiting = host.start('apply', '--auto-approve', '--lock-timeout', '60s');
    first.kill('SIGCONT');
    const ended = await first.ended;
    const third = await waiting.ended;
    t.equal(ended.code, 0, 'the first is not disturbed', { stderr: ended.stderr });
    // What it planned while the first was at work has been done meanwhile.
    t.ok(third.code === 0 || third.code === 6, `the third waited, then ended with ${third.code}`, { third });
    t.strictSame(await host.changes(), []);
    t.equal((await host.fake.calls()).filter(({ action }) => action === 'vm.boot').length, 1, 'booted once');
  },
);

t.test(
  'after a reboot of the host everything is absent, and the next apply brings it up again on its disks',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(
      `${oneVm.replace('name: shop', 'name: shop\nvolumes: { pg: { size: 10MiB } }').replace('root: {}', 'root: {}, data: { volume: pg }')}`,
    );
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const [vm = ''] = readdirSync(join(host.home, 'data/shop/vms'));
    const disk = join(host.home, 'data/shop/vms', vm, 'disk-root.img');
    writeFileSync(disk, 'what the guest wrote', { flag: 'r+' });
    writeFileSync(join(host.home, 'volumes/shop/pg.raw'), 'a row', { flag: 'r+' });
    for (const { pid } of processesOf(host.home)) killQuietly(pid);
    await until('all is dead', () => processesOf(host.home).length === 0);
    // /run is a file system of its own that starts empty.
    rmSync(join(host.home, 'run'), { recursive: true });
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const earlier = '00000000-0000-4000-8000-000000000000';
    writeFileSync(host.statePath, readFileSync(host.statePath, 'utf8').replaceAll(boot, earlier));
    const plan = await host.sbx('plan', '--detailed-exitcode');
    t.equal(plan.code, 8, 'all of it is drift', { stdout: plan.stdout });
    t.match(plan.stdout, /namespace/);
    t.match(plan.stdout, /vm\.a/);
    const applied = await host.sbx('apply', '--auto-approve');
    t.equal(applied.code, 0, 'the next apply brings it up', { stderr: applied.stderr });
    t.strictSame(await host.changes(), []);
    t.ok(holds(disk, 'what the guest wrote'), 'the disk is the one that it had');
    t.ok(holds(join(host.home, 'volumes/shop/pg.raw'), 'a row'));
    t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
    t.strictSame(host.leftovers(), []);
  },
);

t.test(
  'a state that is lost is found by gc; an apply over what is left tells what is in the way',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    rmSync(host.statePath);
    const again = await host.sbx('apply', '--auto-approve');
    t.notMatch(again.stderr, /SBX9/);
    t.ok(again.code === 0 || again.code === 5, `ends with ${again.code}`, { again });
    if (again.code === 5) t.match(again.stdout, /SBX5004/, 'the VM that nobody knows is in the way');
    t.ok(existsSync(host.statePath));
    t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
    t.equal((await host.sbx('gc', '--auto-approve')).code, 0);
    t.strictSame(host.leftovers(), []);
  },
);

t.test(
  'a damaged key or host file stops no stop and no destroy, and a damaged host file no apply',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    const [key, hostFile] = [join(host.home, 'key'), join(host.home, 'host.json')];
    for (const harm of [(path: string) => writeFileSync(path, ''), (path: string) => mkdirSync(path)]) {
      t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
      rmSync(hostFile, { force: true });
      harm(hostFile);
      const plan = await host.sbx('plan');
      t.match(plan.stderr, /SBX4011/, 'a plan tells', plan);
      t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
      rmSync(key);
      harm(key);
      t.match((await host.sbx('plan')).stderr, /SBX4024/);
      const stopped = await host.sbx('stop', 'a');
      t.equal(stopped.code, 0, 'stop', stopped);
      const destroyed = await host.sbx('destroy', '--auto-approve');
      t.equal(destroyed.code, 0, 'destroy', destroyed);
      rmSync(key, { recursive: true });
    }
  },
);
