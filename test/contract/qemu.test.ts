// The contract on real QEMU: with KVM where it runs guests, else under emulation.
import { mkdtemp, rm } from 'node:fs/promises';
import t from 'tap';
import { probeKvm } from '../../src/host/kvm.ts';
import { findProcesses } from '../../src/host/processes.ts';
import { findProgram } from '../../src/host/programs.ts';
import { detectQemu, qemuProgram } from '../../src/vmm/qemu/detect.ts';
import { createQemuDriver } from '../../src/vmm/qemu/driver.ts';
import { defaultLimits } from '../../src/vmm/qemu/limits.ts';
import { kvmFirmwareFile } from '../support/kvm-firmware.ts';
import { cannotBoot, tinyImage } from '../support/tiny-image.ts';
import { driverContract } from './suite.ts';

const mebibyte = 1024 * 1024;

// Five boots, each of some seconds under emulation on a calm host.
t.setTimeout(15 * 60_000);

t.test('QEMU', { skip: cannotBoot(), timeout: 15 * 60_000 }, async (t) => {
  const root = await mkdtemp('/tmp/cq-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const path = findProgram(qemuProgram);
  const firmware = kvmFirmwareFile(t);
  const detected = await detectQemu({
    path,
    kvm: () => probeKvm(path === undefined ? {} : { qemuPath: path, firmware }),
  });
  if (!detected.available) throw new Error(detected.reason);
  t.comment(`QEMU ${detected.capabilities.version} with ${detected.capabilities.acceleration}`);
  const image = await tinyImage();
  await driverContract(t, {
    driver: createQemuDriver(detected.capabilities, { ...defaultLimits, observeMs: 5000 }),
    root,
    kernel: image.kernel,
    ...(image.initrd === undefined ? {} : { initrd: image.initrd }),
    cmdline: image.cmdline,
    nic: (id, mac) => ({ id, mac, connection: { type: 'user', isolated: false, forwards: [] } }),
    bootMs: 120_000,
    console: true,
    memory: { sizeBytes: 192 * mebibyte, maxBytes: 512 * mebibyte },
    mute: async (_spec, ref) => void process.kill(ref.process?.pid ?? 0, 'SIGSTOP'),
    leftovers: (word) => findProcesses((argv) => argv.some((one) => one.includes(word))).map((process) => process.pid),
  });
});
