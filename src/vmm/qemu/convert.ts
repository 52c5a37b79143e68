// QMP answers into the words of sbx. Pure; an answer of another shape than documented gives undefined.
// Shapes: "QEMU QMP Reference Manual", sections Machines, Block devices, Net devices, PCI.
import type { VmShape } from '../../core/observed.ts';
import { isRecord, type QmpReply, type QmpRequest } from './client.ts';
import { bridgedBus, type HotBus, plainBus } from './layout.ts';

type Entry = Readonly<Record<string, unknown>>;

/** The questions that `toShape` reads the answers of, in this order, after query-status. */
export const shapeRequests: readonly QmpRequest[] = [
  { execute: 'query-hotpluggable-cpus' },
  { execute: 'query-memory-size-summary' },
  { execute: 'query-memory-devices' },
  { execute: 'query-block' },
  { execute: 'query-rx-filter' },
];

/** What a living QEMU says of its VM, from the answers to `shapeRequests`. */
export function toShape(replies: readonly QmpReply[]): VmShape | undefined {
  const [cpus, summary, devices, blocks, filters] = replies.map((reply) => (reply.ok ? reply.value : undefined));
  const memory = isRecord(summary) ? toMemory(summary, listOf(devices)) : undefined;
  const slots = listOf(cpus);
  if (memory === undefined || slots === undefined || blocks === undefined || filters === undefined) return undefined;
  return {
    cpus: slots.filter((slot) => typeof slot['qom-path'] === 'string').length,
    cpusMax: slots.length,
    ...memory,
    disks: Object.fromEntries((listOf(blocks) ?? []).flatMap(toDisk)),
    nics: Object.fromEntries((listOf(filters) ?? []).flatMap(toNic)),
  };
}

/** Word of `query-status`, such as `running`. */
export function toStatus(reply: QmpReply | undefined): string | undefined {
  return reply?.ok === true && isRecord(reply.value) && typeof reply.value['status'] === 'string'
    ? reply.value['status']
    : undefined;
}

/** A place for a vCPU, of `query-hotpluggable-cpus`; `index` counts them in the order in which they are filled. */
export interface CpuSlot {
  readonly index: number;
  /** Device type that fits it */
  readonly type: string;
  /** Socket, core and thread, as `device_add` wants them */
  readonly props: Readonly<Record<string, unknown>>;
  /** Object path of the vCPU that is in it */
  readonly path?: string;
}

/** Places for vCPUs, the boot CPU first; the answer has them the other way round. */
export function toCpuSlots(rows: unknown): readonly CpuSlot[] {
  const place = (props: Entry) => ['socket-id', 'die-id', 'core-id', 'thread-id'].map((key) => Number(props[key] ?? 0));
  return (listOf(rows) ?? [])
    .map((row) => ({ row, props: isRecord(row['props']) ? row['props'] : {} }))
    .sort((a, b) => compareNumbers(place(a.props), place(b.props)))
    .map(({ row, props }, index) => {
      const path = row['qom-path'];
      return { index, type: String(row['type']), props, ...(typeof path === 'string' ? { path } : {}) };
    });
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  return a.map((value, index) => value - (b[index] ?? 0)).find((difference) => difference !== 0) ?? 0;
}

/** The virtio-mem device of `query-memory-devices`: sizes in `bytes`. */
export interface HotMemory {
  /** What the guest has taken */
  readonly size: number;
  /** What it was asked to take */
  readonly requested: number;
  /** Most memory that the VM may have, with what it booted with */
  readonly maxBytes: number;
}

/** The virtio-mem device in an answer to `query-memory-devices`, when there is one. */
export function toHotMemory(devices: unknown): HotMemory | undefined {
  for (const device of listOf(devices) ?? []) {
    const details = device['data'];
    if (device['type'] !== 'virtio-mem' || !isRecord(details)) continue;
    const { size, 'requested-size': requested } = details;
    const maxBytes = Number(/\/hot-(\d+)$/.exec(String(details['memdev']))?.[1] ?? Number.NaN);
    if (typeof size === 'number' && typeof requested === 'number') return { size, requested, maxBytes };
  }
  return undefined;
}

/**
 * Memory is what the guest was asked to have: what it has taken drops to the boot size for a moment whenever the guest
 * reboots, which is no change that anybody made.
 */
function toMemory(
  summary: Entry,
  devices: readonly Entry[] | undefined,
): Pick<VmShape, 'memoryBytes' | 'memoryMaxBytes'> | undefined {
  const floor = summary['base-memory'];
  if (typeof floor !== 'number' || devices === undefined) return undefined;
  const hot = toHotMemory(devices);
  return {
    memoryBytes: floor + (hot?.requested ?? 0),
    memoryMaxBytes: hot?.maxBytes ?? floor,
  };
}

function toDisk(block: Entry): readonly [string, number | null][] {
  const name = deviceName('disk', block['qdev']);
  return name === undefined ? [] : [[name, sizeOf(block)]];
}

/** Size of a disk in `bytes` in an answer to `query-block`; undefined without such a disk. */
export function diskSize(blocks: unknown, disk: string): number | null | undefined {
  return Object.fromEntries((listOf(blocks) ?? []).flatMap(toDisk))[disk];
}

function sizeOf(block: Entry): number | null {
  const inserted = block['inserted'];
  const image = isRecord(inserted) ? inserted['image'] : undefined;
  const size = isRecord(image) ? image['virtual-size'] : undefined;
  return typeof size === 'number' ? size : null;
}

function toNic(filter: Entry): readonly [string, string][] {
  const name = deviceName('nic', filter['name']);
  return name === undefined ? [] : [[name, String(filter['main-mac'])]];
}

/** Name in the file of a device that is known by its id or by its path in QEMU's object tree. */
function deviceName(type: 'disk' | 'nic', text: unknown): string | undefined {
  if (typeof text !== 'string') return undefined;
  const id = text.replace(/^\/machine\/peripheral\//, '').replace(/\/virtio-backend$/, '');
  return id.startsWith(`${type}-`) ? id.slice(type.length + 1) : undefined;
}

/** The hot-plug bus of a running VM and its lowest free slot. */
export interface FreeSlot {
  readonly bus: HotBus;
  readonly slot: number;
}

/**
 * Lowest free slot for a disk or NIC, from an answer to `query-pci`; a device whose removal is pending still counts. The
 * bus is the one the VM was started with, whatever binary is installed now. Undefined when all slots are taken.
 */
export function freeSlot(buses: unknown): FreeSlot | undefined {
  const roots = (listOf(buses) ?? []).flatMap((bus) => listOf(bus['devices']) ?? []);
  const bridge = roots.find((device) => device['qdev_id'] === bridgedBus.bus);
  const bus = bridge === undefined ? plainBus : bridgedBus;
  const taken = new Set((bridge === undefined ? roots : behind(bridge)).map((device) => Number(device['slot'])));
  for (let slot = bus.firstSlot; slot <= bus.lastSlot; slot += 1) if (!taken.has(slot)) return { bus, slot };
  return undefined;
}

function behind(bridge: Entry): readonly Entry[] {
  const side = bridge['pci_bridge'];
  return isRecord(side) ? (listOf(side['devices']) ?? []) : [];
}

/** Elements of a JSON list that are objects; undefined for what is no list. */
export function listOf(value: unknown): readonly Entry[] | undefined {
  return Array.isArray(value) ? value.filter(isRecord) : undefined;
}
