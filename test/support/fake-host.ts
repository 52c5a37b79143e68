// A home with a fake Cloud Hypervisor and images of a few bytes.
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type FakeHub, type FakeSettings, type InstalledFake, installFake } from '../fakes/cloud-hypervisor/install.ts';
import { elfKernel } from './image-files.ts';
import { makePlanHost, type PlanHost } from './plan-host.ts';

/** In memory where there is such a folder: thousands of syncs cost nothing there. */
const fastFolder = existsSync('/dev/shm') ? '/dev/shm' : '/tmp';

export interface FakeHost extends PlanHost {
  readonly fake: InstalledFake;
}

/** Makes a folder with images, a home, and a fake on a PATH of its own. */
export async function makeFakeHost(hub?: FakeHub, settings: FakeSettings = {}): Promise<FakeHost> {
  const root = mkdtempSync(join(fastFolder, 'sbxp-'));
  const fake = await installFake(join(root, 'bin'), settings, hub);
  const env = { HOME: root, PATH: `${fake.folder}:${process.env['PATH']}`, SBX_KVM: 'assume' };
  const host = makePlanHost({ root, vmm: 'cloud-hypervisor', env });
  writeFileSync(join(host.folder, 'vmlinuz'), elfKernel());
  writeFileSync(join(host.folder, 'initrd'), 'initrd');
  writeFileSync(join(host.folder, 'root.img'), Buffer.alloc(1024 * 1024, 'r'));
  writeFileSync(join(host.folder, 'other.img'), Buffer.alloc(1024 * 1024, 'o'));
  return { ...host, fake };
}

/** Discards a host at the end of a test. */
export async function fakeHostFor(t: Test, hub?: FakeHub, settings: FakeSettings = {}): Promise<FakeHost> {
  const host = await makeFakeHost(hub, settings);
  t.teardown(async () => {
    host.discard();
    await host.fake.stop();
  });
  return host;
}
