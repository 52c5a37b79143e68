// Disks and NICs of a running VM: a backend, then a device in a free slot; and the other way round.
// "QEMU QMP Reference Manual": blockdev-add, netdev_add, device_add, device_del and its event DEVICE_DELETED.
import { SbxError } from '../../core/errors.ts';
import type { DiskSpec, NicSpec, VmRef } from '../driver.ts';
import { blockNode, diskDevice, nicDevice } from './argv.ts';
import type { QmpConnection, QmpRequest } from './client.ts';
import { diskSize, type FreeSlot, freeSlot, listOf } from './convert.ts';
import { deviceId, netdevId, nodeName } from './layout.ts';
import type { QemuLimits } from './limits.ts';
import { netdevArguments } from './netdev.ts';
import { repeatUntil, withQmp } from './session.ts';

/** A request that makes or unmakes what lies behind a device. */
interface Backend {
  /** Id of the device itself */
  readonly device: string;
  readonly remove: QmpRequest;
}

/** How long one round of a removal waits for the guest before it asks again, in `ms`. */
const askAgainMs = 1000;

/** Adds a disk; one that is there is left as it is. Throws SBX5002 with QEMU's own words. */
export function attachQemuDisk(ref: VmRef, disk: DiskSpec, limits: QemuLimits): Promise<void> {
  const add = { execute: 'blockdev-add', arguments: blockNode(disk) };
  return attach(ref, diskBackend(disk.id), add, ({ bus, slot }) => diskDevice(disk, bus, slot), limits);
}

/** Removes a disk; resolves when the guest has released it. Throws SBX5006 when it does not. */
export function detachQemuDisk(ref: VmRef, disk: string, limits: QemuLimits): Promise<void> {
  return detach(ref, diskBackend(disk), limits);
}

/** Adds a NIC; one that is there is left as it is. Throws SBX5002 with QEMU's own words. */
export function attachQemuNic(ref: VmRef, nic: NicSpec, limits: QemuLimits): Promise<void> {
  const add = { execute: 'netdev_add', arguments: netdevArguments(nic) };
  return attach(ref, nicBackend(nic.id), add, ({ bus, slot }) => nicDevice(nic, bus, slot), limits);
}

/** Removes a NIC; resolves when the guest has released it. Throws SBX5006 when it does not. */
export function detachQemuNic(ref: VmRef, nic: string, limits: QemuLimits): Promise<void> {
  return detach(ref, nicBackend(nic), limits);
}

/**
 * Makes a disk larger, in the guest and in its file. QEMU would truncate a file without asking and take any number:
 * a smaller size is SBX5007, and so is one that is no multiple of 512.
 */
export function growQemuDisk(ref: VmRef, disk: string, sizeBytes: number, limits: QemuLimits): Promise<void> {
  return withQmp(ref, limits, async (connection) => {
    const now = diskSize(await connection.must('query-block'), disk);
    if (typeof now !== 'number') throw new SbxError('SBX5007', `this VM has no disk "${disk}" of a known size`);
    if (now === sizeBytes) return;
    if (sizeBytes < now)
      throw new SbxError('SBX5007', `disk "${disk}" has ${now} bytes and cannot shrink to ${sizeBytes}`);
    if (sizeBytes % 512 !== 0) throw new SbxError('SBX5007', `${sizeBytes} bytes are no whole number of sectors`);
    await connection.must('block_resize', { 'node-name': nodeName(disk), size: sizeBytes });
  });
}

function diskBackend(disk: string): Backend {
  const remove = { execute: 'blockdev-del', arguments: { 'node-name': nodeName(disk) } };
  return { device: deviceId('disk', disk), remove };
}

function nicBackend(nic: string): Backend {
  return { device: deviceId('nic', nic), remove: { execute: 'netdev_del', arguments: { id: netdevId(nic) } } };
}

/** In one conversation, since the free slot is free only as long as nobody else speaks. */
function attach(
  ref: VmRef,
  backend: Backend,
  add: QmpRequest,
  device: (free: FreeSlot) => Readonly<Record<string, string | number>>,
  limits: QemuLimits,
): Promise<void> {
  return withQmp(ref, limits, async (connection) => {
    if (await hasDevice(connection, backend.device)) return;
    const free = freeSlot(await connection.must('query-pci'));
    if (free === undefined)
      throw new SbxError('SBX5007', `no slot is left for ${backend.device}; a restart does not help, fewer devices do`);
    await addBackend(connection, add, backend.remove);
    try {
      await connection.must('device_add', device(free));
    } catch (error) {
      await connection.ask([backend.remove]);
      throw error;
    }
  });
}

/** What an interrupted change left behind the device that is not there would be in the way. */
async function addBackend(connection: QmpConnection, add: QmpRequest, remove: QmpRequest): Promise<void> {
  const [first] = await connection.ask([add]);
  if (first?.ok === true) return;
  await connection.ask([remove]);
  await connection.must(add.execute, add.arguments);
}

/** The guest may be too early in its boot to hear the request: it is repeated. */
async function detach(ref: VmRef, backend: Backend, limits: QemuLimits): Promise<void> {
  const done = await repeatUntil(ref, limits, limits.releaseMs, async (connection) => {
    if (await hasDevice(connection, backend.device)) {
      const deleted = connection.event(
        ({ event, data }) => event === 'DEVICE_DELETED' && data['device'] === backend.device,
        askAgainMs,
      );
      // Refused when an earlier request is still under way, which is as good.
      await connection.ask([{ execute: 'device_del', arguments: { id: backend.device } }]);
      if (!(await deleted)) return false;
    }
    const [removed] = await connection.ask([backend.remove]);
    return removed?.ok === true || !isInUse(removed?.description ?? '');
  });
  if (!done)
    throw new SbxError('SBX5006', `the guest does not release ${backend.device}`, {
      hint: 'a paused guest cannot; a mounted disk should be unmounted first',
    });
}

/** Words of blockdev-del for a node that a device still holds; any other refusal means that there is none. */
function isInUse(description: string): boolean {
  return description.includes('in use');
}

async function hasDevice(connection: QmpConnection, id: string): Promise<boolean> {
  const children = listOf(await connection.must('qom-list', { path: '/machine/peripheral' })) ?? [];
  return children.some((child) => child['name'] === id);
}
