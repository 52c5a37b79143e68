// The contract on the fake Cloud Hypervisor, as several releases.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { findProcesses } from '../../src/host/processes.ts';
import { filesOf } from '../../src/vmm/cloud-hypervisor/argv.ts';
import { detectCloudHypervisor } from '../../src/vmm/cloud-hypervisor/detect.ts';
import { createCloudHypervisorDriver } from '../../src/vmm/cloud-hypervisor/driver.ts';
import type { NicSpec } from '../../src/vmm/driver.ts';
import { installFake, setFaults } from '../fakes/cloud-hypervisor/install.ts';
import { driverContract } from './suite.ts';

const mebibyte = 1024 * 1024;
const memory = { sizeBytes: 256 * mebibyte, maxBytes: 512 * mebibyte };
const leftovers = (word: string): readonly number[] =>
  findProcesses((argv) => argv.some((one) => one.includes(word))).map((process) => process.pid);
const tap = (id: string, mac: string): NicSpec => ({
  id,
  mac,
  connection: { type: 'tap', ifname: `tap-${mac.slice(-5)}` },
});

t.setTimeout(600_000);
t.jobs = 3;

for (const version of ['34.0', '40.0', '46.0', '50.0', '51.1', '53.0']) {
  t.test(`the fake, as release ${version}`, { timeout: 600_000 }, (t) => onFake(t, version));
}

async function onFake(t: Test, version: string): Promise<void> {
  const root = await mkdtemp('/tmp/chf-');
  const fake = await installFake(`${root}/bin`, { VERSION: version, PTY: '1' });
  t.teardown(async () => {
    await fake.stop();
    await rm(root, { recursive: true, force: true });
  });
  const found = await detectCloudHypervisor({ path: fake.folder, kvm: async () => ({ usable: true, reason: '' }) });
  if (!found.available) throw new Error(found.reason);
  await mkdir(`${root}/k`);
  await writeFile(`${root}/k/vmlinux`, '\u007fELF');
  await driverContract(t, {
    driver: createCloudHypervisorDriver(found.capabilities, { limits: { observeMs: 3000 } }),
    root,
    kernel: `${root}/k/vmlinux`,
    cmdline: '',
    nic: tap,
    bootMs: 60_000,
    console: true,
    memory,
    mute: (spec) => setFaults(filesOf(spec.paths).apiSocket, [{ on: '*', do: 'hang' }]),
    leftovers,
  });
}
