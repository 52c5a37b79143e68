// The fields of a VM, and which case of the table of impacts a change of each is.
import type { Capabilities } from '../../core/plan/capabilities.ts';
import type { DiskAttrs, NicAttrs, VmAttrs } from '../../core/state/attrs.ts';
import { type Cost, costOf, impactTable } from '../impacts.ts';

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
  /** Only sbx reads it: it changes at once, whether the VM runs or not */
  readonly recordOnly?: boolean;
  readonly cost: (context: CostContext) => Cost;
}

function hasRoot(attrs: VmAttrs): boolean {
  return Object.values(attrs.disks).some((disk) => disk.type === 'root');
}

function imageCost({ prior, capabilities }: CostContext): Cost {
  const { withRoot, withoutRoot } = impactTable['vms.*.image'].cases;
  return costOf(hasRoot(prior) ? withRoot : withoutRoot, capabilities);
}

function cpuCountCost({ prior, planned, capabilities }: CostContext): Cost {
  const { beyond, more, less } = impactTable['vms.*.cpus.count'].cases;
  const to = planned.cpus.count;
  return costOf(to > prior.cpus.max ? beyond : to > prior.cpus.count ? more : less, capabilities);
}

function memorySizeCost({ prior, planned, capabilities, bootMemoryBytes }: CostContext): Cost {
  const { beyond, more, less, below } = impactTable['vms.*.memory.size'].cases;
  const to = planned.memory.sizeBytes;
  if (to > prior.memory.maxBytes) return costOf(beyond, capabilities);
  if (to > prior.memory.sizeBytes) return costOf(more, capabilities);
  return costOf(bootMemoryBytes === undefined || to < bootMemoryBytes ? below : less, capabilities);
}

/** The cost of a field of which every change is the same case. */
function always(field: SingleCase): (context: CostContext) => Cost {
  return ({ capabilities }) => costOf(impactTable[field].cases.changed, capabilities);
}

type SingleCase =
  | 'vms.*.cmdline'
  | 'vms.*.hostname'
  | 'vms.*.cpus.max'
  | 'vms.*.memory.max'
  | 'vms.*.on_exit'
  | 'vms.*.ready'
  | 'vms.*.lifecycle';

/** `--vmm` is no field of the file. */
const driverCost = (): Cost => ({ impact: 'restart', reason: 'another VMM is another process' });

/** All fields with one value, in the order in which a plan shows them. */
export const vmFields: readonly FieldRule[] = [
  { field: 'image', path: ['image'], cost: imageCost },
  { field: 'image.digest', path: ['imageDigest'], cost: imageCost },
  { field: 'driver', path: ['driver'], cost: driverCost },
  { field: 'cmdline', path: ['cmdline'], cost: always('vms.*.cmdline') },
  { field: 'hostname', path: ['hostname'], cost: always('vms.*.hostname') },
  { field: 'cpus.count', path: ['cpus', 'count'], cost: cpuCountCost },
  { field: 'cpus.max', path: ['cpus', 'max'], cost: always('vms.*.cpus.max') },
  { field: 'memory.size', path: ['memory', 'sizeBytes'], unit: 'bytes', cost: memorySizeCost },
  { field: 'memory.max', path: ['memory', 'maxBytes'], unit: 'bytes', cost: always('vms.*.memory.max') },
  { field: 'on_exit', path: ['onExit'], recordOnly: true, cost: always('vms.*.on_exit') },
  { field: 'ready', path: ['ready'], recordOnly: true, cost: always('vms.*.ready') },
  { field: 'lifecycle', path: ['lifecycle'], recordOnly: true, cost: always('vms.*.lifecycle') },
];

/** What a change of one disk costs. `undefined` stands for a disk that is not there. */
export function diskCost(
  from: DiskAttrs | undefined,
  to: DiskAttrs | undefined,
  capabilities: Capabilities | undefined,
): Cost {
  const { added, removed, removedOwn, rootAdded, rootRemoved } = impactTable['vms.*.disks'].cases;
  if (from === undefined) return costOf(to?.type === 'root' ? rootAdded : added, capabilities);
  if (to === undefined) {
    if (from.type === 'root') return costOf(rootRemoved, capabilities);
    return costOf(from.type === 'volume' ? removed : removedOwn, capabilities);
  }
  if (from.type === 'volume' || to.type === 'volume') return volumeCost(from, to, capabilities);
  if (from.type !== to.type) return costOf(impactTable['vms.*.disks.*.volume'].cases.own, capabilities);
  return sizeCost(from.sizeBytes, to.sizeBytes, capabilities);
}

/** One of the two is a volume. */
function volumeCost(from: DiskAttrs, to: DiskAttrs, capabilities: Capabilities | undefined): Cost {
  const { volume, own } = impactTable['vms.*.disks.*.volume'].cases;
  if (from.type !== 'volume') return costOf(own, capabilities);
  if (to.type !== 'volume' || from.volume !== to.volume) return costOf(volume, capabilities);
  if (from.readonly !== to.readonly) return costOf(impactTable['vms.*.disks.*.readonly'].cases.changed, capabilities);
  // Volumes only grow.
  return to.readonly
    ? costOf(impactTable['vms.*.disks.*.size'].cases.readonly, capabilities)
    : sizeCost(from.sizeBytes, to.sizeBytes, capabilities);
}

function sizeCost(from: number | null, to: number | null, capabilities: Capabilities | undefined): Cost {
  const { more, less } = impactTable['vms.*.disks.*.size'].cases;
  return costOf(to !== null && (from === null || to >= from) ? more : less, capabilities);
}

/** What a change of one NIC costs. `undefined` stands for one that is not there. */
export function nicCost(from: NicAttrs | undefined, to: NicAttrs | undefined): Cost {
  if (from === undefined || to === undefined) return costOf(impactTable['vms.*.networks'].cases.changed);
  const { network, ip, prefix, gateway, mac } = to;
  const isSameAddress =
    from.network === network &&
    from.ip === ip &&
    from.prefix === prefix &&
    from.gateway === gateway &&
    from.mac === mac;
  if (isSameAddress && from.isolated !== to.isolated) return costOf(impactTable['networks.*.mode'].cases.userNet);
  return isSameAddress
    ? costOf(impactTable['vms.*.networks.*.ports'].cases.userNet)
    : costOf(impactTable['vms.*.networks.*.address'].cases.changed);
}

/** Environment: handed over at boot. */
export const envCost: Cost = costOf(impactTable['vms.*.env'].cases.changed);
