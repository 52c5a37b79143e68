// Between sbx's words and Cloud Hypervisor's wire format: VmSpec to VmConfig, a vm.info reply to VmShape. Pure.
import type { VmShape } from '../../core/observed.ts';
import type { DiskSpec, NicSpec, VmSpec } from '../driver.ts';
import type { VmFiles } from './argv.ts';
import type { Features } from './version.ts';
import type { DiskConfig, NetConfig, VmConfig, VmInfo } from './vm-config.ts';

/** Regions of virtio-mem are multiples of this (virtio-devices/src/mem.rs); a maximum between two is rounded up. */
const hotplugStepBytes = 128 * 1024 * 1024;

/** SMBIOS string that keeps the declared maximum where hotplug_size had to be rounded. */
const maximumMark = 'sbx:memory-max=';

/** Id of a disk on the wire. */
export function diskWireId(id: string): string {
  return `disk-${id}`;
}

/** Id of a NIC on the wire. */
export function nicWireId(id: string): string {
  return `net-${id}`;
}

/** The configuration of a new VM, with only the fields that this version knows: it would ignore others without a word. */
export function toVmConfig(spec: VmSpec, files: VmFiles, features: Features, console: 'Pty' | 'Off'): VmConfig {
  const disks = spec.disks.map((disk) => toDiskConfig(disk, features));
  const net = spec.nics.flatMap((nic) => toNetConfig(nic) ?? []);
  const { sizeBytes, maxBytes } = spec.memory;
  const growth = Math.max(0, maxBytes - sizeBytes);
  const hotplugSize = Math.ceil(growth / hotplugStepBytes) * hotplugStepBytes;
  return {
    cpus: { boot_vcpus: spec.cpus.count, max_vcpus: Math.max(spec.cpus.max, spec.cpus.count) },
    memory: {
      size: sizeBytes,
      ...(growth === 0 ? {} : { hotplug_method: 'VirtioMem' as const, hotplug_size: hotplugSize }),
    },
    payload: {
      kernel: spec.kernel,
      cmdline: spec.cmdline,
      ...(spec.initrd === undefined ? {} : { initramfs: spec.initrd }),
    },
    ...(disks.length === 0 ? {} : { disks }),
    ...(net.length === 0 ? {} : { net }),
    rng: { src: '/dev/urandom' },
    serial: { mode: 'File', file: files.serialLog },
    console: { mode: console },
    vsock: { cid: vsockCid(spec.uuid), socket: files.vsockSocket, id: 'vsock' },
    platform: {
      ...(features.systemUuid ? { system_uuid: spec.uuid } : { uuid: spec.uuid }),
      ...(hotplugSize === growth ? {} : { oem_strings: [`${maximumMark}${maxBytes}`] }),
    },
  };
}

/** A disk on the wire. The type is always named where it can be: detection is open to forgery by the guest. */
export function toDiskConfig(disk: DiskSpec, features: Features): DiskConfig {
  const base = { id: diskWireId(disk.id), path: disk.path, readonly: disk.readonly, direct: false as const };
  return {
    ...base,
    ...(features.diskSerial ? { serial: disk.id } : {}),
    ...(features.imageType ? { image_type: 'Raw' as const } : {}),
  };
}

/** A NIC on the wire; undefined for the kind that only QEMU has. */
export function toNetConfig(nic: NicSpec): NetConfig | undefined {
  if (nic.connection.type !== 'tap') return undefined;
  return { id: nicWireId(nic.id), tap: nic.connection.ifname, mac: nic.mac.toLowerCase(), num_queues: 2 };
}

/** A context id that the VMM accepts (not 0 to 2, below 2^32 - 1). The vsock is in user space: ids of two VMs may be equal. */
export function vsockCid(uuid: string): number {
  const bits = Number.parseInt(uuid.replaceAll('-', '').slice(0, 8), 16);
  return 3 + (Number.isNaN(bits) ? 0 : bits % 0x7fff_fffc);
}

/** Reads a decoded `vm.info` reply; undefined when it is not one. Null and absent are the same (releases differ). */
export function toVmInfo(reply: unknown): VmInfo | undefined {
  const config = member(reply, 'config');
  const state = member(reply, 'state');
  const cpus = member(config, 'cpus');
  const memory = member(config, 'memory');
  if (typeof state !== 'string' || config === undefined) return undefined;
  const tree = member(reply, 'device_tree');
  return {
    state,
    cpus: size(member(cpus, 'boot_vcpus')) ?? 1,
    cpusMax: size(member(cpus, 'max_vcpus')) ?? 1,
    memorySize: size(member(memory, 'size')) ?? 0,
    hotplugSize: size(member(memory, 'hotplug_size')) ?? 0,
    hotpluggedSize: size(member(memory, 'hotplugged_size')) ?? 0,
    memoryActual: size(member(reply, 'memory_actual_size')),
    disks: list(member(config, 'disks')).map((disk) => ({
      id: text(member(disk, 'id')) ?? '',
      path: text(member(disk, 'path')),
      imageType: text(member(disk, 'image_type')),
    })),
    nets: list(member(config, 'net')).map((net) => ({
      id: text(member(net, 'id')) ?? '',
      mac: text(member(net, 'mac')) ?? '',
    })),
    oemStrings: list(member(member(config, 'platform'), 'oem_strings')).flatMap((item) => text(item) ?? []),
    consolePty: text(member(member(config, 'console'), 'file')),
    // The tree is long, and a plan asks nothing of it.
    devices: { has: (id) => typeof tree === 'object' && tree !== null && Object.hasOwn(tree, id) },
  };
}

/** What a VM looks like now. Whatever the VMM writes into its configuration by itself is left out. */
export function toVmShape(info: VmInfo): VmShape {
  return {
    cpus: info.cpus,
    cpusMax: info.cpusMax,
    memoryBytes: memoryNow(info),
    memoryMaxBytes: memoryMaximum(info),
    disks: Object.fromEntries(info.disks.map((disk) => [unprefixed(disk.id, 'disk-'), null])),
    nics: Object.fromEntries(info.nets.map((net) => [unprefixed(net.id, 'net-'), net.mac.toLowerCase()])),
  };
}

/** Memory that the guest has, in `bytes`, as far as the VMM knows. */
export function memoryNow(info: VmInfo): number {
  return info.memoryActual ?? info.memorySize + info.hotpluggedSize;
}

/** Most memory that the running VM can have, in `bytes`. */
export function memoryMaximum(info: VmInfo): number {
  const mark = info.oemStrings.find((item) => item.startsWith(maximumMark));
  const declared = mark === undefined ? Number.NaN : Number(mark.slice(maximumMark.length));
  return Number.isSafeInteger(declared) ? declared : info.memorySize + info.hotplugSize;
}

function unprefixed(id: string, prefix: string): string {
  return id.startsWith(prefix) ? id.slice(prefix.length) : id;
}

function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name] ?? undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function size(value: unknown): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}
