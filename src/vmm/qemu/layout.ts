// Names on which everything about a QEMU process agrees: its files, object ids, buses and slots. Pure.
import type { VmPaths } from '../driver.ts';

/** Files of one VM. QEMU removes sockets and pid file when it ends by itself; after a kill they stay. */
export interface QemuFiles {
  /** QMP socket */
  readonly qmp: string;
  /** Socket of the guest agent's port */
  readonly agent: string;
  /** Socket of the serial console */
  readonly serial: string;
  readonly pid: string;
  readonly serialLog: string;
  /** Standard error of the process */
  readonly vmmLog: string;
}

/** Where the files of a VM lie. */
export function qemuFiles(paths: VmPaths): QemuFiles {
  return {
    qmp: `${paths.run}/qmp.sock`,
    agent: `${paths.run}/ga.sock`,
    serial: `${paths.run}/serial.sock`,
    pid: `${paths.run}/pid`,
    serialLog: `${paths.data}/serial.log`,
    vmmLog: `${paths.data}/vmm.log`,
  };
}

/** A value inside a QEMU option: a comma would end it, so it is doubled. */
export function optionValue(text: string): string {
  return text.replaceAll(',', ',,');
}

/** The word of the command line by which a process is known to serve exactly this VM. */
export function qmpWord(paths: VmPaths): string {
  return `socket,id=qmp,path=${optionValue(qemuFiles(paths).qmp)},server=on,wait=off`;
}

/** Device id of a disk or NIC of the file; one name space for both, since QEMU has one. */
export function deviceId(type: 'disk' | 'nic', name: string): string {
  return `${type}-${name}`;
}

/** Block node of a disk. */
export function nodeName(disk: string): string {
  return `node-${disk}`;
}

/** Network backend of a NIC. */
export function netdevId(nic: string): string {
  return `net-${nic}`;
}

/** The virtio-mem device. */
export const memoryDeviceId = 'mem0';

/**
 * The memory backend of the virtio-mem device. Its id carries the maximum in `bytes`, because the backend itself is
 * rounded up to whole memory blocks and nothing else in QEMU remembers what the file said.
 */
export function hotMemoryId(maxBytes: number): string {
  return `hot-${maxBytes}`;
}

/** Where hot-pluggable devices sit: a bus, and the first and last slot that is free for disks and NICs. */
export interface HotBus {
  readonly machine: 'q35' | 'pc';
  readonly bus: string;
  /** Slot of the virtio-mem device, always kept for it */
  readonly memorySlot: number;
  readonly firstSlot: number;
  readonly lastSlot: number;
}

/** q35 with one PCIe-to-PCI bridge: 31 hot-pluggable slots for one device. */
export const bridgedBus: HotBus = { machine: 'q35', bus: 'hp', memorySlot: 1, firstSlot: 2, lastSlot: 31 };

/** The root bus of the `pc` machine, whose first slots the chipset and our fixed devices take. */
export const plainBus: HotBus = { machine: 'pc', bus: 'pci.0', memorySlot: 5, firstSlot: 6, lastSlot: 31 };

/** The bus for a version: below 7.2, what is plugged behind that bridge does not reach the guest. */
export function hotBus(version: readonly [number, number]): HotBus {
  return version[0] > 7 || (version[0] === 7 && version[1] >= 2) ? bridgedBus : plainBus;
}

/** Major and minor of a version such as `7.2.22`. */
export function versionPair(version: string): readonly [number, number] {
  const [major = '0', minor = '0'] = version.split('.');
  return [Number(major), Number(minor)];
}

/** A slot as QEMU reads it: hexadecimal without prefix would be decimal to a person, so with prefix. */
export function slotAddress(slot: number): string {
  return `0x${slot.toString(16)}`;
}
