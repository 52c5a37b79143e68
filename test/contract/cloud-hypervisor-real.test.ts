// The contract on the real Cloud Hypervisor, where one is on PATH with a usable KVM and a kernel is named; skipped aloud elsewhere.
import { mkdtemp, rm } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { findProcesses } from '../../src/host/processes.ts';
import { createCloudHypervisorDriver } from '../../src/vmm/cloud-hypervisor/driver.ts';
import type { NicSpec } from '../../src/vmm/driver.ts';
import { findRealCloudHypervisor, type RealCloudHypervisor } from './real-cloud-hypervisor.ts';
import { driverContract } from './suite.ts';

const mebibyte = 1024 * 1024;
const memory = { sizeBytes: 256 * mebibyte, maxBytes: 512 * mebibyte };
const leftovers = (word: string): readonly number[] =>
  findProcesses((argv) => argv.some((one) => one.includes(word))).map((process) => process.pid);
const tap = (id: string, mac: string): NicSpec => ({
  id,
  mac,
  connection: { type: 'tap', ifname: `tap-${mac.slice(-5).replace(':', '')}` },
});

// A guest boots some ten times, and some hosts are slow.
t.setTimeout(60 * 60_000);

const real = await findRealCloudHypervisor();
t.test(
  'the real program',
  typeof real === 'string' ? { skip: `not run: ${real}` } : { timeout: 60 * 60_000 },
  async (t) => {
    if (typeof real !== 'string') await onReal(t, real);
  },
);

async function onReal(t: Test, found: RealCloudHypervisor): Promise<void> {
  const root = await mkdtemp('/tmp/chr-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await driverContract(t, {
    driver: createCloudHypervisorDriver(found.capabilities, {
      limits: { socketMs: 60_000, resizeMs: 120_000, detachMs: 120_000 },
    }),
    root,
    kernel: found.kernel,
    ...(found.initrd === undefined ? {} : { initrd: found.initrd }),
    cmdline: found.cmdline,
    ...(found.tap ? { nic: tap } : {}),
    bootMs: 240_000,
    console: true,
    memory,
    mute: async (_spec, ref) => void process.kill(ref.process?.pid ?? 0, 'SIGSTOP'),
    leftovers,
  });
}
