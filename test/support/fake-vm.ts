// A VM on the fake Cloud Hypervisor, for tests of the driver: installed, described, started.
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import { filesOf, type VmFiles } from '../../src/vmm/cloud-hypervisor/argv.ts';
import { capabilitiesOf } from '../../src/vmm/cloud-hypervisor/capabilities.ts';
import { createCloudHypervisorDriver } from '../../src/vmm/cloud-hypervisor/driver.ts';
import type { Limits } from '../../src/vmm/cloud-hypervisor/session.ts';
import { oldestVersion, parseVersion } from '../../src/vmm/cloud-hypervisor/version.ts';
import type { StartContext, VmmDriver, VmRef, VmSpec } from '../../src/vmm/driver.ts';
import {
  type FakeHub,
  type FakeSettings,
  type InstalledFake,
  installFake,
  startHub,
} from '../fakes/cloud-hypervisor/install.ts';

export interface FakeVm {
  readonly fake: InstalledFake;
  readonly driver: VmmDriver;
  readonly spec: VmSpec;
  readonly files: VmFiles;
  readonly context: StartContext;
  /** Starts it; stopped when the test ends */
  start(): Promise<VmRef>;
}

const mebibyte = 1024 * 1024;

/** One hub for all tests of a file; it ends with the process. */
let hub: Promise<FakeHub> | undefined;
let count = 0;

function startSharedHub(): Promise<FakeHub> {
  const folder = mkdtempSync('/tmp/fh-');
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return startHub(join(folder, 'hub.sock'));
}

/** Installs the fake for one test and describes a VM with a disk and a NIC. */
export async function fakeVm(t: Test, settings: FakeSettings = {}, limits: Partial<Limits> = {}): Promise<FakeVm> {
  const root = await mkdtemp('/tmp/fv-');
  count += 1;
  hub ??= startSharedHub();
  const fake = await installFake(`${root}/bin`, settings, await hub);
  const paths = { run: `${root}/r`, data: `${root}/d` };
  await mkdir(paths.run, { mode: 0o700 });
  await mkdir(paths.data, { mode: 0o700 });
  await writeFile(`${root}/vmlinux`, '\u007fELF');
  await writeFile(`${paths.data}/root.raw`, Buffer.alloc(mebibyte));
  const version = parseVersion(settings['VERSION'] ?? '53.0') ?? oldestVersion;
  const driver = createCloudHypervisorDriver(capabilitiesOf(version, fake.path), { limits });
  const spec: VmSpec = {
    name: 'sbx-test-vm',
    uuid: '00000001-0000-4000-8000-000000000001',
    paths,
    kernel: `${root}/vmlinux`,
    cmdline: 'console=ttyS0',
    cpus: { count: 1, max: 4 },
    memory: { sizeBytes: 256 * mebibyte, maxBytes: 512 * mebibyte },
    disks: [{ id: 'root', path: `${paths.data}/root.raw`, format: 'raw', readonly: false }],
    nics: [{ id: 'lan', mac: '02:00:00:00:00:01', connection: { type: 'tap', ifname: `tap${count}` } }],
  };
  const context = { enter: (argv: readonly string[]) => argv, signal: new AbortController().signal };
  t.teardown(async () => {
    await driver.stop({ paths }, 0, new AbortController().signal);
    await rm(root, { recursive: true, force: true });
  });
  const start = async (): Promise<VmRef> => ({ paths, process: (await driver.start(spec, context)).process });
  return { fake, driver, spec, files: filesOf(paths), context, start };
}
