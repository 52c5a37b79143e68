// The table of a VM's fields: what a change of each costs, and why. Data for the planner, the docs and the schema's hovers.

import type { Capabilities, Effect } from '../../core/plan/capabilities.ts';
import type { Impact } from '../../core/plan/plan.ts';
import type { DiskAttrs, VmAttrs } from '../../core/state/attrs.ts';

/** What a change of a field costs. */
export interface Cost {
  readonly impact: Impact;
  readonly reason: string;
}

/** What a rule may look at. */
export interface CostContext {
  readonly prior: VmAttrs;
  readonly planned: VmAttrs;
  readonly capabilities: Capabilities | undefined;
  /** Memory that the VM was started with in `bytes`; live shrinking ends there */
  readonly bootMemoryBytes: number | undefined;
}

/** A field with one value. */
export interface FieldRule {
  /** In the words of the file */
  readonly field: string;
  /** Where it stands in the attributes */
  readonly path: readonly string[];
  readonly unit?: 'bytes' | 'ms';
  /** For the docs: the cost in words, over all drivers */
  readonly summary: string;
  readonly cost: (context: CostContext) => Cost;
}

const restart = (reason: string) => (): Cost => ({ impact: 'restart', reason });
const recordOnly = (): Cost => ({ impact: 'live', reason: 'only sbx reads it' });

function live(effect: Effect | undefined, how: string, whyNot: string): Cost {
  return effect === 'live' ? { impact: 'live', reason: how } : { impact: 'restart', reason: whyNot };
}

function driverWords(context: CostContext): string {
  const { capabilities } = context;
  return capabilities === undefined
    ? 'the driver'
    : `${capabilities.driver} ${capabilities.version} (${capabilities.acceleration})`;
}

function hasRoot(attrs: VmAttrs): boolean {
  return Object.values(attrs.disks).some((disk) => disk.type === 'root');
}

function imageCost(context: CostContext): Cost {
  return hasRoot(context.prior)
    ? { impact: 'replace', reason: 'its root disk is made from the image' }
    : { impact: 'restart', reason: 'it boots the kernel and initrd of the image' };
}

function cpuCountCost(context: CostContext): Cost {
  const { prior, planned, capabilities } = context;
  if (planned.cpus.count > prior.cpus.max)
    return { impact: 'restart', reason: 'more than the maximum it was started with' };
  if (planned.cpus.count > prior.cpus.count) {
    return live(
      capabilities?.cpuGrow,
      'vCPUs are plugged in',
      `${driverWords(context)} cannot add vCPUs to a running VM`,
    );
  }
  return live(
    capabilities?.cpuShrink,
    'the guest gives vCPUs back',
    `${driverWords(context)} cannot take vCPUs from a running VM`,
  );
}

function memorySizeCost(context: CostContext): Cost {
  const { prior, planned, capabilities, bootMemoryBytes } = context;
  const to = planned.memory.sizeBytes;
  if (to > prior.memory.maxBytes) return { impact: 'restart', reason: 'more than the maximum it was started with' };
  if (to > prior.memory.sizeBytes) {
    return live(
      capabilities?.memoryGrow,
      'memory is plugged in',
      `${driverWords(context)} cannot add memory to a running VM`,
    );
  }
  if (bootMemoryBytes === undefined || to < bootMemoryBytes) {
    return { impact: 'restart', reason: 'less than it was started with' };
  }
  return live(
    capabilities?.memoryShrink,
    'plugged memory is given back',
    `${driverWords(context)} cannot take memory from a running VM`,
  );
}

/** All fields with one value, in the order in which a plan shows them. */
export const vmFields: readonly FieldRule[] = [
  { field: 'image', path: ['image'], summary: 'replace with a root disk, else restart', cost: imageCost },
  { field: 'image.digest', path: ['imageDigest'], summary: 'replace with a root disk, else restart', cost: imageCost },
  { field: 'driver', path: ['driver'], summary: 'restart', cost: restart('another VMM is another process') },
  { field: 'cmdline', path: ['cmdline'], summary: 'restart', cost: restart('the kernel reads it at boot') },
  { field: 'hostname', path: ['hostname'], summary: 'restart', cost: restart('the guest reads its name at boot') },
  {
    field: 'cpus.count',
    path: ['cpus', 'count'],
    summary: 'live up to cpus.max; down live where the driver can, else restart',
    cost: cpuCountCost,
  },
  {
    field: 'cpus.max',
    path: ['cpus', 'max'],
    summary: 'restart',
    cost: restart('the maximum is fixed when the VMM starts'),
  },
  {
    field: 'memory.size',
    path: ['memory', 'sizeBytes'],
    unit: 'bytes',
    summary: 'live up to memory.max and down to the size at start, else restart',
    cost: memorySizeCost,
  },
  {
    field: 'memory.max',
    path: ['memory', 'maxBytes'],
    unit: 'bytes',
    summary: 'restart',
    cost: restart('the maximum is fixed when the VMM starts'),
  },
  { field: 'on_exit', path: ['onExit'], summary: 'live', cost: recordOnly },
  { field: 'ready', path: ['ready'], summary: 'live', cost: recordOnly },
  { field: 'lifecycle', path: ['lifecycle'], summary: 'live', cost: recordOnly },
];

/** What a change of one disk costs. `undefined` stands for a disk that is not there. */
export function diskCost(
  from: DiskAttrs | undefined,
  to: DiskAttrs | undefined,
  capabilities: Capabilities | undefined,
): Cost {
  if (from === undefined) {
    if (to?.type === 'root') return { impact: 'restart', reason: 'the guest takes its root disk at boot' };
    return live(capabilities?.diskAttach, 'plugged in', 'the driver cannot plug disks into a running VM');
  }
  if (to === undefined) {
    if (from.type === 'root') return { impact: 'replace', reason: 'the guest runs from it' };
    return live(
      capabilities?.diskDetach,
      'the guest must not use it any more',
      'the driver cannot unplug disks from a running VM',
    );
  }
  if (
    from.type !== to.type ||
    (from.type === 'volume' && to.type === 'volume' && (from.volume !== to.volume || from.readonly !== to.readonly))
  ) {
    return from.type === 'volume'
      ? { impact: 'restart', reason: 'another disk takes its place' }
      : { impact: 'replace', reason: 'another disk takes its place' };
  }
  return sizeCost(from.sizeBytes, to.sizeBytes, capabilities);
}

function sizeCost(from: number | null, to: number | null, capabilities: Capabilities | undefined): Cost {
  if (to !== null && (from === null || to >= from)) {
    return live(capabilities?.diskGrow, 'grows in place', 'the driver cannot grow a disk of a running VM');
  }
  return { impact: 'replace', reason: 'a disk is never cut: it is made anew' };
}

/** NICs: the guest configures its addresses at boot. */
export const nicCost: Cost = { impact: 'restart', reason: 'the guest reads its addresses at boot' };
/** Environment: handed over at boot. */
export const envCost: Cost = { impact: 'restart', reason: 'the guest reads its environment at boot' };
