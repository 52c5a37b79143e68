// The main job on a real guest: plan, apply, into the guest, plan again, drift, destroy.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeSandboxHost, vmmOf, whyNot } from '../support/sandbox-host.ts';

const skip = whyNot();
const hello = readFileSync(join(import.meta.dirname, '../../examples/hello/sbx.yaml'), 'utf8');

t.test(
  'hello comes up, is what the file says, and leaves nothing behind',
  { skip: skip ?? false, timeout: 600_000 },
  async (t) => {
    const host = await makeSandboxHost(t);
    host.write(hello);
    t.match(await host.ok('validate'), /valid/);
    const before = await host.sbx('plan', '--detailed-exitcode');
    t.equal(before.code, 2, 'there are changes');
    t.strictSame(host.leftovers(), [], 'a plan makes nothing');
    await host.ok('apply', '--auto-approve');
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);

    await t.test('commands run in the guest and pass their exit code on', async (t) => {
      t.match(await host.ok('exec', 'hello', '--', 'uname', '-s'), /^Linux/);
      const failed = await host.sbx('exec', 'hello', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7');
      t.strictSame(failed, { code: 7, stdout: 'out\n', stderr: 'err\n' });
    });

    await t.test('words of a command reach the guest one by one', async (t) => {
      const odd = ["a'b", 'c d', '$HOME', '*', ''];
      t.equal(await host.ok('exec', 'hello', '--', 'printf', '%s|', ...odd), `${odd.join('|')}|`);
    });

    await t.test('files go in and out unchanged', async (t) => {
      const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
      writeFileSync(join(host.folder, 'in.bin'), bytes);
      await host.ok('cp', 'in.bin', 'hello:/root/there.bin');
      await host.ok('cp', 'hello:/root/there.bin', 'out.bin');
      t.ok(bytes.equals(readFileSync(join(host.folder, 'out.bin'))));
    });

    await t.test('status and show tell of the VM', async (t) => {
      const status = JSON.parse(await host.ok('status', '--json'));
      t.match(status, { vms: [{ address: 'vm.hello', state: 'running', drift: [] }] });
      t.match(await host.ok('show', 'hello'), /vm\.hello/);
      t.match(await host.ok('logs', 'hello', '--all'), /\S/);
    });

    await t.test('a killed VMM is drift, and apply starts it again', async (t) => {
      process.kill(vmmOf(host).pid, 'SIGKILL');
      const plan = await host.sbx('plan', '--detailed-exitcode');
      t.match(plan.stdout, /vm\.hello[\s\S]*dead/);
      await host.ok('apply', '--auto-approve');
      t.match(await host.ok('plan'), /No changes/);
      t.match(await host.ok('exec', 'hello', '--', 'hostname'), /^hello/);
    });

    await host.ok('destroy', '--auto-approve');
    t.strictSame(host.leftovers(), [], 'no process, link or file is left');
  },
);

t.test('vCPUs and memory grow in the running guest', { skip: skip ?? false, timeout: 600_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  const file = (cpus: number, memory: string): string => `version: 1
name: grow
images:
  base: { build: tiny }
vms:
  a:
    image: base
    cpus: { count: ${cpus}, max: 4 }
    memory: { size: ${memory}, max: 1GiB }
    ready: { boot: true, timeout: 120s }
`;
  host.write(file(1, '192MiB'));
  await host.ok('apply', '--auto-approve');
  const boot = await host.ok('exec', 'a', '--', 'cat', '/proc/sys/kernel/random/boot_id');
  const memoryBefore = Number(/MemTotal:\s+(\d+)/.exec(await host.ok('exec', 'a', '--', 'cat', '/proc/meminfo'))?.[1]);
  host.write(file(3, '448MiB'));
  const plan = JSON.parse(await host.ok('plan', '--json'));
  t.equal(plan.impact, 'live');
  await host.ok('apply', '--auto-approve');
  t.equal((await host.ok('exec', 'a', '--', 'nproc')).trim(), '3');
  const memoryAfter = Number(/MemTotal:\s+(\d+)/.exec(await host.ok('exec', 'a', '--', 'cat', '/proc/meminfo'))?.[1]);
  t.ok(memoryAfter - memoryBefore > 200 * 1024, `the guest sees ${memoryAfter - memoryBefore} KiB more`);
  t.equal(await host.ok('exec', 'a', '--', 'cat', '/proc/sys/kernel/random/boot_id'), boot, 'it was not restarted');
  t.match(await host.ok('plan'), /No changes/);
  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
});
