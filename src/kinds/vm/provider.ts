// VMs on the host: their disks, taps and seed, their process, and their life.
import { rm } from 'node:fs/promises';
import { type Address, shortName } from '../../core/address.ts';
import { mapBounded } from '../../core/bounded.ts';
import { bug, SbxError } from '../../core/errors.ts';
import { bridgeName, tapName } from '../../core/link-names.ts';
import type { VmObservation } from '../../core/observed.ts';
import type { VmRecord } from '../../core/state/state.ts';
import type { Performers, StepContext } from '../../engine/provider.ts';
import { buildSeed } from '../../guest/seed.ts';
import { writeFileAtomic } from '../../host/files.ts';
import { ensureOwnFolder } from '../../host/own-files.ts';
import { ensureTaps, removeTaps, spaceOf } from '../../host/space.ts';
import type { BuiltImage } from '../../images/cache.ts';
import { createDisk, growDisk } from '../../images/disks.ts';
import type { ObserveOptions, VmmDriver, VmRef } from '../../vmm/driver.ts';
import { entering, type Shell, sandboxFacts, spaceIn } from '../shell.ts';
import { waitForGuestShape } from './guest-shape.ts';
import { diskSpec, imageOf, ownDiskPath, seedOf, seedPath, specOf } from './spec.ts';
import { waitUntilReady } from './wait-ready.ts';

type PrepareOps = 'vm.disk-create' | 'vm.disk-delete' | 'vm.tap' | 'vm.tap-remove' | 'vm.seed' | 'vm.delete';
type RunOps = 'vm.start' | 'vm.ready' | 'vm.stop' | 'vm.resume';
type ChangeOps = 'vm.cpus' | 'vm.memory' | 'vm.disk-attach' | 'vm.disk-detach' | 'vm.disk-grow';

export function vmPerformers(shell: Shell): Pick<Performers, PrepareOps | RunOps | ChangeOps> {
  return { ...preparing(shell), ...running(shell), ...changing(shell) };
}

/** Folders of a VM, also after somebody removed them. */
function makeFolders(address: Address, { layout }: Pick<Shell, 'layout'>): void {
  const paths = layout.vmPaths(address);
  for (const folder of [paths.data, paths.run]) ensureOwnFolder(folder);
}

function preparing(shell: Shell): Pick<Performers, PrepareOps> {
  const { layout } = shell;
  return {
    'vm.disk-create': async ({ disk, attrs }, context) => {
      makeFolders(context.address, shell);
      const wanted = attrs.disks[disk] ?? bug(`disk ${disk} is not in its VM`);
      const image: Pick<BuiltImage, 'disk'> = wanted.type === 'root' ? await imageOf(attrs.image, shell, context) : {};
      const { path } = diskSpec(context.address, disk, attrs, shell);
      const content =
        image.disk === undefined ? ({ type: 'empty' } as const) : ({ type: 'image', disk: image.disk } as const);
      await createDisk(path, content, wanted.sizeBytes ?? undefined, { signal: context.signal });
      return undefined;
    },
    'vm.disk-delete': async ({ disk }, context) => {
      await rm(ownDiskPath(layout.vmPaths(context.address), disk), { force: true });
      return undefined;
    },
    'vm.tap': async ({ nic, network, ip, mac }, context) => {
      const bridge = bridgeName(shortName(network));
      await ensureTaps(spaceIn(context), [
        { ifname: tapName(context.address, nic), bridge, ownerUid: 0, neighbour: { ip, mac } },
      ]);
      return undefined;
    },
    'vm.tap-remove': async ({ nic, network, ip }, context) => {
      const space = spaceOf(sandboxFacts(context));
      const neighbour = { bridge: bridgeName(shortName(network)), ip };
      if (space !== undefined) await removeTaps(space, [tapName(context.address, nic)], [neighbour]);
      return undefined;
    },
    'vm.seed': async ({ attrs }, context) => {
      makeFolders(context.address, shell);
      const seed = buildSeed(await seedOf(context.address, attrs, shell, context));
      await writeFileAtomic(seedPath(layout.vmPaths(context.address)), seed);
      return undefined;
    },
    'vm.delete': async (_action, context) => {
      const paths = layout.vmPaths(context.address);
      for (const folder of [paths.run, paths.data]) await rm(folder, { recursive: true, force: true });
      return undefined;
    },
  };
}

/** The record of the VM that a step is about. */
function recordIn(context: StepContext): VmRecord {
  const record = context.record(context.address);
  return record?.kind === 'vm' ? record : bug(`${context.address} is not recorded`);
}

/** The driver that runs the VM, and how it knows it. */
async function runningVm(
  shell: Shell,
  context: StepContext,
): Promise<{ readonly driver: VmmDriver; readonly ref: VmRef }> {
  const { attrs, facts } = recordIn(context);
  return { driver: await shell.driver(attrs.driver), ref: refOf(context.address, facts, shell) };
}

function refOf(address: Address, facts: VmRecord['facts'], shell: Pick<Shell, 'layout'>): VmRef {
  const { process } = facts;
  return { paths: shell.layout.vmPaths(address), ...(process === undefined ? {} : { process }) };
}

function running(shell: Shell): Pick<Performers, RunOps> {
  return {
    'vm.start': async ({ attrs }, context) => {
      makeFolders(context.address, shell);
      const driver = await shell.driver(attrs.driver);
      const spec = await specOf(context.address, attrs, driver, shell, context);
      const { process } = await driver.start(spec, { enter: entering(context), signal: context.signal });
      const vmmVersion = driver.capabilities.version;
      return { process, vmmVersion, startedAtMs: shell.wallClock(), bootMemoryBytes: attrs.memory.sizeBytes };
    },
    'vm.ready': async ({ attrs }, context) => {
      if (!shell.wait || attrs.ready === null) return undefined;
      const { driver, ref } = await runningVm(shell, context);
      await waitUntilReady({ ready: attrs.ready, attrs, driver, ref, shell, context });
      return undefined;
    },
    'vm.stop': async ({ graceMs }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.stop(ref, graceMs, context.signal);
      return undefined;
    },
    'vm.resume': async (_action, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.resume(ref);
      return undefined;
    },
  };
}

function changing(shell: Shell): Pick<Performers, ChangeOps> {
  return {
    'vm.cpus': async ({ count }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.resizeCpus(ref, count);
      await waitForGuestShape({ driver, ref, context, cpus: count });
      return undefined;
    },
    'vm.memory': async ({ sizeBytes }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.resizeMemory(ref, sizeBytes);
      return undefined;
    },
    'vm.disk-attach': async ({ disk, attrs }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.attachDisk(ref, diskSpec(context.address, disk, attrs, shell));
      return undefined;
    },
    'vm.disk-detach': async ({ disk }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      await driver.detachDisk(ref, disk);
      return undefined;
    },
    'vm.disk-grow': async ({ disk, sizeBytes }, context) => {
      const { driver, ref } = await runningVm(shell, context);
      const { attrs } = recordIn(context);
      await growDisk(diskSpec(context.address, disk, attrs, shell).path, sizeBytes);
      await driver.growDisk(ref, disk, sizeBytes);
      return undefined;
    },
  };
}

/** Sockets that are read at a time. */
const observedAtATime = 256;

/** What every recorded VM is in now. A driver that this host lost leaves its VMs unreadable. */
export async function observeVms(
  records: readonly VmRecord[],
  shell: Pick<Shell, 'layout' | 'driver'>,
  options: ObserveOptions = {},
): Promise<ReadonlyMap<Address, VmObservation>> {
  const observations = await mapBounded(
    records,
    observedAtATime,
    async (record): Promise<readonly [Address, VmObservation]> => {
      const ref = refOf(record.address, record.facts, shell);
      return [record.address, await observeOne(record, ref, shell, options)];
    },
  );
  return new Map(observations);
}

async function observeOne(
  record: VmRecord,
  ref: VmRef,
  shell: Pick<Shell, 'driver'>,
  options: ObserveOptions,
): Promise<VmObservation> {
  try {
    return withoutSeed(await (await shell.driver(record.attrs.driver)).observe(ref, options));
  } catch (error) {
    if (error instanceof SbxError) return { state: 'unresponsive', reason: error.message };
    throw error;
  }
}

/** The seed is ours, not the file's: it is no disk of the VM as users know it. */
function withoutSeed(observation: VmObservation): VmObservation {
  if (observation.state !== 'running' && observation.state !== 'paused') return observation;
  const { 'sbx-seed': _seed, ...disks } = observation.disks;
  return { ...observation, disks };
}
