// The command line of a QEMU that runs one VM. Pure: the same VM on the same binary always gives the same words.
import type { Capabilities } from '../../core/plan/capabilities.ts';
import type { DiskSpec, NicSpec, VmSpec } from '../driver.ts';
import {
  deviceId,
  type HotBus,
  hotBus,
  hotMemoryId,
  memoryDeviceId,
  netdevId,
  nodeName,
  optionValue,
  qemuFiles,
  qmpWord,
  slotAddress,
  versionPair,
} from './layout.ts';
import { netdevOption } from './netdev.ts';

/** Memory blocks of Linux on x86-64: a virtio-mem region that does not hold a whole one cannot be used by the guest. */
const memoryBlockBytes = 128 * 1024 * 1024;

/**
 * With room to grow, Linux would set 64 MiB aside for bounce buffers that virtio does not need; and memory that is added
 * should be usable without help, and removable again.
 */
const growthWords = ['swiotlb=noforce', 'memhp_default_state=online_movable'];

/** The whole command line. Sources: `qemu-system-x86_64(1)`, sections Standard, Block device and Network options. */
export function qemuArgv(spec: VmSpec, capabilities: Capabilities): readonly string[] {
  const bus = hotBus(versionPair(capabilities.version));
  return [
    capabilities.path,
    ...['-name', `${optionValue(spec.name)},debug-threads=on`, '-uuid', spec.uuid],
    ...['-machine', `${bus.machine},memory-backend=ram`],
    ...acceleration(capabilities.acceleration),
    ...['-smp', `${spec.cpus.count},maxcpus=${spec.cpus.max}`],
    ...bootMemory(spec),
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-msg', 'timestamp=on'],
    // A panic would otherwise end QEMU with 0, as a guest that powers itself off does.
    ...['-action', 'panic=pause'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...channels(spec),
    ...boot(spec),
    ...fixedDevices(bus),
    ...hotMemory(spec, bus),
    ...spec.disks.flatMap((disk, index) => diskWords(disk, bus, bus.firstSlot + index)),
    ...spec.nics.flatMap((nic, index) => nicWords(nic, bus, bus.firstSlot + spec.disks.length + index)),
  ];
}

/** Arguments of `blockdev-add`, also the value of `-blockdev`. */
export function blockNode(disk: DiskSpec): Readonly<Record<string, unknown>> {
  return {
    driver: disk.format,
    'node-name': nodeName(disk.id),
    'read-only': disk.readonly,
    discard: 'unmap',
    file: { driver: 'file', filename: disk.path, discard: 'unmap' },
  };
}

/** Properties of a disk's device. One queue always: the default follows the number of vCPUs. */
export function diskDevice(disk: DiskSpec, bus: HotBus, slot: number): Readonly<Record<string, string | number>> {
  return {
    driver: 'virtio-blk-pci',
    id: deviceId('disk', disk.id),
    drive: nodeName(disk.id),
    serial: disk.id,
    'num-queues': 1,
    bus: bus.bus,
    addr: slotAddress(slot),
  };
}

/** Properties of a NIC's device. An empty `romfile` makes it independent of the boot ROM package. */
export function nicDevice(nic: NicSpec, bus: HotBus, slot: number): Readonly<Record<string, string | number>> {
  return {
    driver: 'virtio-net-pci',
    id: deviceId('nic', nic.id),
    netdev: netdevId(nic.id),
    mac: nic.mac,
    romfile: '',
    bus: bus.bus,
    addr: slotAddress(slot),
  };
}

function acceleration(kind: 'kvm' | 'tcg'): readonly string[] {
  return kind === 'kvm' ? ['-accel', 'kvm', '-cpu', 'host'] : ['-accel', 'tcg', '-cpu', 'max'];
}

/** Memory that the guest boots with. Snapshots will want it in a file of its own: change it here. */
function bootMemory(spec: VmSpec): readonly string[] {
  const { sizeBytes } = spec.memory;
  const hot = hotBytes(spec);
  const max = hot === 0 ? '' : `,maxmem=${sizeBytes + hot}B`;
  return ['-m', `size=${sizeBytes}B${max}`, '-object', `memory-backend-ram,id=ram,size=${sizeBytes}B`];
}

/** Size of the region that memory grows into, in `bytes`. */
function hotBytes(spec: VmSpec): number {
  const wanted = Math.max(0, spec.memory.maxBytes - spec.memory.sizeBytes);
  return Math.ceil(wanted / memoryBlockBytes) * memoryBlockBytes;
}

function hotMemory(spec: VmSpec, bus: HotBus): readonly string[] {
  const size = hotBytes(spec);
  if (size === 0) return [];
  const id = hotMemoryId(spec.memory.maxBytes);
  return [
    // Nothing is set aside for what the guest may never ask for.
    ...['-object', `memory-backend-ram,id=${id},size=${size}B,reserve=off`],
    '-device',
    `virtio-mem-pci,id=${memoryDeviceId},memdev=${id},requested-size=0,bus=${bus.bus},addr=${slotAddress(bus.memorySlot)}`,
  ];
}

function channels(spec: VmSpec): readonly string[] {
  const files = qemuFiles(spec.paths);
  const log = `logfile=${optionValue(files.serialLog)},logappend=on`;
  return [
    ...['-pidfile', files.pid],
    ...['-chardev', qmpWord(spec.paths), '-mon', 'chardev=qmp,mode=control'],
    // A socket that also writes a log: a terminal can attach, and what was said while nobody listened is kept.
    ...[
      '-chardev',
      `socket,id=ser,path=${optionValue(files.serial)},server=on,wait=off,${log}`,
      '-serial',
      'chardev:ser',
    ],
    ...['-chardev', `socket,id=ga,path=${optionValue(files.agent)},server=on,wait=off`],
  ];
}

function boot(spec: VmSpec): readonly string[] {
  // The words of the image and of the user come last, and so prevail.
  const words = [...(hotBytes(spec) > 0 ? growthWords : []), spec.cmdline];
  return [
    ...['-kernel', spec.kernel],
    ...(spec.initrd === undefined ? [] : ['-initrd', spec.initrd]),
    ...['-append', words.filter((word) => word !== '').join(' ')],
  ];
}

/** Bridge, guest agent port, random numbers, panic notice; slots are spelled out so that nothing ever moves. */
function fixedDevices(bus: HotBus): readonly string[] {
  const root = bus.machine === 'q35' ? 'pcie.0' : 'pci.0';
  const at = (slot: number) => `bus=${root},addr=${slotAddress(slot)}`;
  return [
    ...(bus.machine === 'q35' ? ['-device', `pcie-pci-bridge,id=${bus.bus},${at(1)}`] : []),
    ...['-device', `virtio-serial-pci,id=vs,${at(2)}`],
    ...['-device', 'virtserialport,id=ga0,bus=vs.0,nr=1,chardev=ga,name=org.qemu.guest_agent.0'],
    ...['-device', `virtio-rng-pci,id=rng0,${at(3)}`],
    ...['-device', `pvpanic-pci,id=pv0,${at(4)}`],
  ];
}

function diskWords(disk: DiskSpec, bus: HotBus, slot: number): readonly string[] {
  return ['-blockdev', JSON.stringify(blockNode(disk)), '-device', deviceOption(diskDevice(disk, bus, slot))];
}

function nicWords(nic: NicSpec, bus: HotBus, slot: number): readonly string[] {
  return ['-netdev', netdevOption(nic), '-device', deviceOption(nicDevice(nic, bus, slot))];
}

function deviceOption({ driver, ...properties }: Readonly<Record<string, string | number>>): string {
  return [driver, ...Object.entries(properties).map(([key, value]) => `${key}=${value}`)].join(',');
}
