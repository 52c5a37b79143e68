// What becomes of a VM and its disks: changed, stopped, started, replaced, ended by itself, destroyed.
import t, { type Test } from 'tap';
import { eventually, makeSandboxHost, type SandboxHost, whyNot } from '../support/sandbox-host.ts';

interface Shape {
  readonly word?: string;
  readonly root?: string;
  readonly volume?: string;
  readonly scratch?: string;
  readonly onExit?: string;
}

const file = ({
  word = 'one',
  root = '1GiB',
  volume = '64MiB',
  scratch,
  onExit = 'restart',
}: Shape): string => `version: 1
name: life
images:
  base: { build: tiny }
volumes:
  data: { size: ${volume}, protect: true }
vms:
  box:
    image: base
    memory: 160MiB
    disks:
      root: { size: ${root} }
      data: { volume: data }
${scratch === undefined ? '' : `      extra: { size: ${scratch} }`}
    env: { WORD: ${word} }
    on_exit: ${onExit}
    ready: { boot: true, timeout: 3m }
`;

const disk = (name: string): string => `/dev/disk/by-id/virtio-${name}`;
const inGuest = (host: SandboxHost, script: string): Promise<string> =>
  host.ok('exec', 'box', '--', 'sh', '-c', script);
const bootId = (host: SandboxHost): Promise<string> => inGuest(host, 'cat /proc/sys/kernel/random/boot_id');
const bytesOf = async (host: SandboxHost, name: string): Promise<number> =>
  Number(await inGuest(host, `blockdev --getsize64 ${disk(name)}`));

/** Applies another shape; the plan must have said this impact, and the next one must be empty. */
async function change(t: Test, host: SandboxHost, shape: Shape, impact: string): Promise<void> {
  host.write(file(shape));
  t.equal(JSON.parse(await host.ok('plan', '--json')).impact, impact);
  await host.ok('apply', '--auto-approve');
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
}

t.test('the life of a VM', { skip: whyNot() ?? false, timeout: 900_000 }, async (t) => {
  const host = await makeSandboxHost(t);
  host.write(file({}));
  await host.ok('apply', '--auto-approve');
  await inGuest(
    host,
    `echo on the root disk >/root/kept; echo on the volume | dd of=${disk('data')} conv=notrunc 2>/dev/null; sync`,
  );
  const onVolume = (): Promise<string> => inGuest(host, `head -n 1 ${disk('data')}`);

  await t.test('disks come, grow and go while it runs', async (t) => {
    const boot = await bootId(host);
    await change(t, host, { scratch: '32MiB' }, 'live');
    t.equal(await bytesOf(host, 'extra'), 32 * 1024 * 1024);
    await change(t, host, { scratch: '48MiB', volume: '80MiB' }, 'live');
    t.equal(await bytesOf(host, 'extra'), 48 * 1024 * 1024);
    t.equal(await bytesOf(host, 'data'), 80 * 1024 * 1024);
    // The VM goes on running, and what was on the disk is lost.
    await change(t, host, { volume: '80MiB' }, 'replace');
    t.equal(
      await inGuest(host, 'ls /sys/block/*/serial | while read f; do cat $f; echo; done | grep -c extra || true'),
      '0\n',
    );
    t.equal(await bootId(host), boot);
  });

  await t.test('a changed environment costs a restart, and the root disk stays', async (t) => {
    t.equal(await inGuest(host, 'echo $WORD'), 'one\n');
    await change(t, host, { volume: '80MiB', word: 'two' }, 'restart');
    t.equal(await inGuest(host, 'echo $WORD; cat /root/kept'), 'two\non the root disk\n');
    t.equal(await onVolume(), 'on the volume\n');
  });

  await t.test('a stop holds until a start, and a restart is one', async (t) => {
    await host.ok('stop', 'box');
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
    await host.ok('apply', '--auto-approve');
    t.match(JSON.parse(await host.ok('status', '--json')), { vms: [{ state: 'stopped', hold: true, drift: [] }] });
    await host.ok('start', 'box');
    const boot = await bootId(host);
    await host.ok('restart', 'box');
    t.not(await bootId(host), boot);
    t.equal(await inGuest(host, 'cat /root/kept'), 'on the root disk\n');
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  });

  await t.test('a smaller root disk costs a replacement, and the volume stays', async (t) => {
    await change(t, host, { volume: '80MiB', word: 'two', root: '768MiB' }, 'replace');
    t.equal(await inGuest(host, 'cat /root/kept || echo gone'), 'gone\n');
    t.equal(await onVolume(), 'on the volume\n');
  });

  await t.test('a guest that powers itself off is started, or kept as it is', async (t) => {
    const shape = { volume: '80MiB', word: 'two', root: '768MiB' };
    const powerOff = async (): Promise<void> => {
      await host.sbx('exec', 'box', '--', 'poweroff');
      await eventually('the VM exited', async () => /"exited"/.test(await host.ok('status', '--json')));
    };
    await powerOff();
    const plan = await host.sbx('plan', '--detailed-exitcode');
    t.equal(plan.code, 8);
    t.match(plan.stdout, /exited/);
    await host.ok('apply', '--auto-approve');
    await change(t, host, { ...shape, onExit: 'keep' }, 'live');
    await powerOff();
    t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  });

  await t.test('a protected volume outlives the sandbox, and goes when it is told twice', async (t) => {
    await host.ok('destroy', '--auto-approve');
    t.match(
      host.leftovers().filter((found) => !/\/(state|backups)\//.test(found)),
      [/volumes\/.*data/],
    );
    await host.ok('apply', '--auto-approve');
    t.equal(await onVolume(), 'on the volume\n');
    await host.ok('destroy', '--purge', '--auto-approve');
    t.strictSame(host.leftovers(), []);
  });
});
