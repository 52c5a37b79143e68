import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type KvmVerdict, probeKvm, runFirmware } from '../../src/host/kvm.ts';
import { kvmFirmware } from '../../src/host/kvm-firmware.ts';
import { bootId } from '../../src/host/processes.ts';
import { kvmFirmwareFile } from '../support/kvm-firmware.ts';

const qemu = '/usr/bin/qemu-system-x86_64';

/** A host of files: a device, a CPU with or without the feature, and a program that plays QEMU. */
function host(t: Test, options: { readonly flags?: string; readonly script?: string } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-kvm-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const paths = {
    devicePath: join(folder, 'kvm'),
    cpuinfoPath: join(folder, 'cpuinfo'),
    qemuPath: join(folder, 'qemu'),
    firmware: join(folder, 'firmware'),
  };
  writeFileSync(paths.devicePath, '');
  writeFileSync(paths.cpuinfoPath, `processor\t: 0\nflags\t\t: fpu ${options.flags ?? 'vmx'} sse\n`);
  writeFileSync(paths.qemuPath, `#!/bin/sh\n${options.script ?? 'exit 85'}\n`, { mode: 0o700 });
  return { folder, ...paths };
}

t.test('the firmware ends at the reset vector with a jump to its start', async (t) => {
  const image = Buffer.from(kvmFirmware());
  t.equal(image.length, 65_536);
  t.equal(image.subarray(0xfff0, 0xfff3).toString('hex'), 'e90d00');
  t.equal(image[0], 0xfa, 'it starts with interrupts off');
});

t.test('the firmware runs through on a CPU that works', { skip: !existsSync(qemu) && `no ${qemu}` }, async (t) => {
  t.strictSame(await runFirmware({ qemuPath: qemu, acceleration: 'tcg', firmware: kvmFirmwareFile(t) }), {
    usable: true,
    reason: 'a test guest ran',
  });
});

t.test('a host on which the firmware runs is usable', async (t) => {
  const { folder: _folder, ...paths } = host(t);
  t.strictSame(await probeKvm({ ...paths, nowMs: 17 }), {
    usable: true,
    reason: 'a test guest ran',
    bootId: bootId(),
    foundAtMs: 17,
    qemuPath: paths.qemuPath,
    mtimeMs: statSync(paths.qemuPath).mtimeMs,
  });
});

const unusable = [
  {
    name: 'QEMU that crashes',
    script: 'echo "error: failed to set MSR" >&2; kill -ABRT $$',
    want: /crashed QEMU: .*MSR$/,
  },
  { name: 'QEMU that refuses', script: 'echo "no KVM here" >&2; exit 1', want: /failed \(exit 1\): no KVM here$/ },
  { name: 'a guest that ends otherwise', script: 'exit 0', want: /failed \(exit 0\)$/ },
  {
    name: 'a guest that never ends',
    script: 'exec sleep 60',
    limitMs: 500,
    want: /did not get through within 500 ms/,
    undecided: true,
  },
  { name: 'a CPU without the feature', flags: 'avx', want: /neither vmx nor svm/ },
];

for (const { name, want, limitMs, undecided, ...options } of unusable) {
  t.test(`${name} makes KVM unusable`, async (t) => {
    const { folder: _folder, ...paths } = host(t, options);
    t.match(await probeKvm({ ...paths, ...(limitMs === undefined ? {} : { limitMs }) }), {
      usable: false,
      reason: want,
      undecided,
    });
  });
}

t.test('no device, or one that may not be opened, is told with what to do', async (t) => {
  const paths = host(t);
  rmSync(paths.devicePath);
  t.match(await probeKvm(paths), { usable: false, reason: /there is no .*kvm$/, hint: /kvm_intel/ });
  if (process.getuid?.() === 0) return t.comment('root may open everything: the other half is for users');
  writeFileSync(paths.devicePath, '');
  chmodSync(paths.devicePath, 0);
  t.match(await probeKvm(paths), { usable: false, reason: /may not open/, hint: /usermod/ });
});

t.test('a verdict is believed for the same boot, program and file only', async (t) => {
  const { folder: _folder, ...paths } = host(t);
  const first = await probeKvm(paths);
  const known = { ...first, reason: 'kept' };
  t.equal((await probeKvm({ ...paths, known })).reason, 'kept');
  for (const change of [{ bootId: 'other' }, { qemuPath: '/other' }, { mtimeMs: 1 }])
    t.equal((await probeKvm({ ...paths, known: { ...known, ...change } })).reason, 'a test guest ran');
  rmSync(paths.devicePath);
  t.equal((await probeKvm({ ...paths, known })).usable, false, 'the right to open is asked every time');
});

t.test('a bad verdict counts for a while, and one that was not reached for nothing', async (t) => {
  const { folder: _folder, ...paths } = host(t);
  const { qemuPath } = paths;
  const key = { bootId: bootId(), qemuPath, mtimeMs: statSync(qemuPath).mtimeMs };
  const bad = { usable: false, reason: 'it failed', foundAtMs: 1_000_000, ...key };
  const after = async (known: KvmVerdict, ms: number): Promise<boolean> =>
    (await probeKvm({ ...paths, known, nowMs: 1_000_000 + ms })).usable;
  t.notOk(await after(bad, 60_000), 'a minute later');
  t.ok(await after(bad, 600_000), 'ten minutes later');
  t.ok(await after(bad, -1), 'from the future');
  const { foundAtMs: _foundAtMs, ...old } = bad;
  t.ok(await after(old, 0), 'of an sbx that kept them for the whole boot');
  t.ok(await after({ ...bad, undecided: true }, 1));
});

t.test('a policy answers without looking', async (t) => {
  const nowhere = { devicePath: '/nowhere', cpuinfoPath: '/nowhere', qemuPath: '/nowhere' };
  t.match(await probeKvm({ ...nowhere, policy: 'assume' }), { usable: true });
  t.match(await probeKvm({ ...nowhere, policy: 'never' }), { usable: false });
  t.match(await probeKvm({ ...nowhere, policy: 'probe' }), { usable: false });
});

t.test('without QEMU the cheap questions decide', async (t) => {
  const { devicePath, cpuinfoPath } = host(t);
  t.match(await probeKvm({ devicePath, cpuinfoPath }), { usable: true, qemuPath: undefined });
});
