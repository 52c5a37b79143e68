import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { detectDrivers, type KnownVmms, openDriver, openDrivers } from '../../src/vmm/index.ts';
import { qemuCapabilities } from '../../src/vmm/qemu/capabilities.ts';

/** A PATH whose programs say what versions they have, and note that they were asked. */
function pathOf(t: Test, versions: Readonly<Record<string, string>>): { readonly path: string } {
  const path = mkdtempSync(join(tmpdir(), 'sbx-path-'));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  for (const [name, says] of Object.entries(versions))
    writeFileSync(join(path, name), `#!/bin/sh\necho '${says}'\n`, { mode: 0o700 });
  return { path };
}

const newQemu = 'QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-1)';

t.test('both drivers are found, in the order of preference', async (t) => {
  const { path } = pathOf(t, { 'cloud-hypervisor': 'cloud-hypervisor v53.0', 'qemu-system-x86_64': newQemu });
  const detected = await detectDrivers({ path, kvmPolicy: 'assume', kvmFirmware: '/nowhere' });
  t.match(detected, [
    { available: true, capabilities: { driver: 'cloud-hypervisor', version: '53.0', acceleration: 'kvm' } },
    { available: true, capabilities: { driver: 'qemu', version: '10.0.2', acceleration: 'kvm' } },
  ]);
});

t.test('without KVM only QEMU is left, and emulates', async (t) => {
  const { path } = pathOf(t, { 'cloud-hypervisor': 'cloud-hypervisor v53.0', 'qemu-system-x86_64': newQemu });
  const detected = await detectDrivers({ path, kvmPolicy: 'never', kvmFirmware: '/nowhere' });
  t.match(detected, [
    { available: false, driver: 'cloud-hypervisor', reason: /KVM/ },
    { available: true, capabilities: { driver: 'qemu', acceleration: 'tcg', cpuShrink: 'restart' } },
  ]);
});

t.test('versions that are too old, or say nothing, are no drivers', async (t) => {
  for (const [says, reason] of [
    ['QEMU emulator version 6.1.0', /6\.1\.0, which is too old/],
    ['something else', /says nothing that is understood/],
  ] as const) {
    const { path } = pathOf(t, { 'qemu-system-x86_64': says });
    t.match((await detectDrivers({ path, kvmPolicy: 'never', kvmFirmware: '/nowhere' }))[1], {
      available: false,
      driver: 'qemu',
      reason,
    });
  }
});

t.test('what was learned is kept, and asked for again only when a file has changed', async (t) => {
  const { path } = pathOf(t, { 'qemu-system-x86_64': newQemu });
  const told: KnownVmms[] = [];
  const options = {
    path,
    kvmPolicy: 'never',
    kvmFirmware: '/nowhere',
    remember: (known: KnownVmms) => told.push(known),
  } as const;
  const first = await detectDrivers(options);
  const [known] = told;
  t.match(known, { binaries: { qemu: { version: '10.0.2' } }, kvm: undefined });
  if (known?.binaries.qemu === undefined) return;
  t.strictSame(await detectDrivers({ ...options, known }), first);
  t.equal(told.length, 1, 'nothing new was learned');
  const qemu = { ...known.binaries.qemu, version: '9.9.9' };
  t.match((await detectDrivers({ ...options, known: { binaries: { qemu } } }))[1], {
    capabilities: { version: '9.9.9' },
  });
  const stale = { ...qemu, mtimeMs: 1 };
  t.match((await detectDrivers({ ...options, known: { binaries: { qemu: stale } } }))[1], {
    capabilities: { version: '10.0.2' },
  });
});

t.test('a driver is opened by its capabilities, also without its binary', async (t) => {
  const capabilities = qemuCapabilities('/usr/bin/qemu-system-x86_64', '7.2.22', 'tcg');
  t.match(openDriver(capabilities), { name: 'qemu', capabilities });
  const drivers = openDrivers([{ available: true, capabilities }]);
  t.equal(drivers.qemu.capabilities, capabilities);
  t.equal(drivers['cloud-hypervisor'].name, 'cloud-hypervisor');
  const paths = { run: '/nowhere/run', data: '/nowhere/data' };
  for (const driver of Object.values(drivers)) t.strictSame(await driver.observe({ paths }), { state: 'absent' });
});

t.test('a test of KVM that was not finished is neither kept nor the end of a driver', async (t) => {
  const { path } = pathOf(t, { 'cloud-hypervisor': 'cloud-hypervisor v53.0', 'qemu-system-x86_64': newQemu });
  const qemuPath = join(path, 'qemu-system-x86_64');
  // Says its version, and hangs as a test guest.
  writeFileSync(qemuPath, `#!/bin/sh\ncase $1 in --version) echo '${newQemu}' ;; *) exec sleep 60 ;; esac\n`);
  const [devicePath, cpuinfoPath] = [join(path, 'kvm'), join(path, 'cpuinfo')];
  writeFileSync(devicePath, '');
  writeFileSync(cpuinfoPath, 'flags\t\t: vmx\n');
  const kept: KnownVmms[] = [];
  const verdicts: boolean[] = [];
  const detected = await detectDrivers({
    path,
    kvmPolicy: 'probe',
    kvmFirmware: '/nowhere',
    kvmProbe: { devicePath, cpuinfoPath, limitMs: 300 },
    told: ({ undecided }) => verdicts.push(undecided === true),
    remember: (known) => kept.push(known),
  });
  t.strictSame(verdicts, [true]);
  t.match(detected, [
    { available: false, undecided: true, capabilities: { version: '53.0', acceleration: 'kvm' } },
    { available: true, capabilities: { acceleration: 'tcg', notes: [/did not get through/] } },
  ]);
  t.equal(kept.length, 1);
  t.equal(kept[0]?.kvm, undefined);
});
