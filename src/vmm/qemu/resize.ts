// vCPUs and memory of a running VM. "QEMU QMP Reference Manual", query-hotpluggable-cpus; docs/system/devices/virtio-mem.
import { SbxError } from '../../core/errors.ts';
import type { VmRef } from '../driver.ts';
import { isRecord, type QmpConnection } from './client.ts';
import { type CpuSlot, toCpuSlots, toHotMemory } from './convert.ts';
import { memoryDeviceId } from './layout.ts';
import type { QemuLimits } from './limits.ts';
import { repeatUntil, withQmp } from './session.ts';

/** How long one look at a change in progress waits for news of it, in `ms`. */
const lookMs = 250;

/** Sets the vCPU count. Throws SBX5007 for what this VM cannot do while it runs, SBX5005 when the guest keeps a vCPU. */
export async function resizeQemuCpus(ref: VmRef, count: number, limits: QemuLimits): Promise<void> {
  const done = await repeatUntil(ref, limits, limits.releaseMs, async (connection) => {
    const slots = toCpuSlots(await connection.must('query-hotpluggable-cpus'));
    const plugged = slots.filter((slot) => slot.path !== undefined);
    if (plugged.length === count) return true;
    if (count < 1 || count > slots.length)
      throw new SbxError('SBX5007', `this VM was started with room for ${slots.length} vCPUs; ${count} were asked for`);
    if (plugged.length < count) await addCpus(connection, slots, count - plugged.length);
    else await removeCpus(connection, plugged.slice(count));
    return false;
  });
  if (!done) throw new SbxError('SBX5005', `the guest does not release vCPUs down to ${count}`);
}

async function addCpus(connection: QmpConnection, slots: readonly CpuSlot[], more: number): Promise<void> {
  const free = slots.filter((slot) => slot.path === undefined).slice(0, more);
  for (const { type, index, props } of free) {
    await connection.must('device_add', { driver: type, id: `cpu-${index}`, ...props });
  }
}

async function removeCpus(connection: QmpConnection, surplus: readonly CpuSlot[]): Promise<void> {
  // The heap of 7.2 is corrupt after it, and later versions abort at the next addition. What counts is how this VM was
  // started, not what the host could do now.
  const kvm = await connection.must('query-kvm');
  if (!isRecord(kvm) || kvm['enabled'] !== true)
    throw new SbxError('SBX5007', 'a vCPU cannot be removed from a running VM under emulation');
  const gone = connection.event((event) => event.event === 'DEVICE_DELETED', lookMs);
  await connection.ask(surplus.map(({ path }) => ({ execute: 'device_del', arguments: { id: path } })));
  await gone;
}

/**
 * Sets the memory and waits until the guest has followed. Throws SBX5007 for a size that this VM cannot have while it
 * runs, and SBX5005 when the guest stops following: what it has by then is left as the size it is asked to have.
 */
export async function resizeQemuMemory(ref: VmRef, sizeBytes: number, limits: QemuLimits): Promise<void> {
  await withQmp(ref, limits, (connection) => requestMemory(connection, sizeBytes));
  let last = -1;
  let lastNewsMs = performance.now();
  for (;;) {
    const memory = await withQmp(ref, limits, readMemory);
    if (memory.base + memory.size === sizeBytes) return;
    if (memory.size !== last) lastNewsMs = performance.now();
    last = memory.size;
    if (performance.now() - lastNewsMs > limits.stallMs) {
      await withQmp(ref, limits, (connection) => setRequested(connection, memory.size));
      throw new SbxError(
        'SBX5005',
        `the guest has ${megabytes(memory.base + memory.size)} of memory, not ${megabytes(sizeBytes)}`,
      );
    }
  }
}

async function requestMemory(connection: QmpConnection, sizeBytes: number): Promise<void> {
  const summary = await connection.must('query-memory-size-summary');
  const base = isRecord(summary) ? Number(summary['base-memory']) : Number.NaN;
  const hot = toHotMemory(await connection.must('query-memory-devices'));
  if (hot === undefined && sizeBytes === base) return;
  if (hot === undefined)
    throw new SbxError('SBX5007', `this VM was started with ${megabytes(base)} and no room for more`);
  if (sizeBytes < base || sizeBytes > hot.maxBytes)
    throw new SbxError(
      'SBX5007',
      `this VM was started for ${megabytes(base)} to ${megabytes(hot.maxBytes)}; ${megabytes(sizeBytes)} were asked for`,
    );
  await setRequested(connection, sizeBytes - base);
}

async function setRequested(connection: QmpConnection, bytes: number): Promise<void> {
  const path = `/machine/peripheral/${memoryDeviceId}`;
  await connection.must('qom-set', { path, property: 'requested-size', value: bytes });
}

/** Memory now; waits a moment for news when it is not what was asked for. */
async function readMemory(connection: QmpConnection): Promise<{ readonly base: number; readonly size: number }> {
  const changed = connection.event((event) => event.event === 'MEMORY_DEVICE_SIZE_CHANGE', lookMs);
  const read = async () => {
    const summary = await connection.must('query-memory-size-summary');
    const hot = toHotMemory(await connection.must('query-memory-devices'));
    return { base: isRecord(summary) ? Number(summary['base-memory']) : 0, hot };
  };
  const now = await read();
  if (now.hot === undefined || now.hot.size === now.hot.requested) return { base: now.base, size: now.hot?.size ?? 0 };
  await changed;
  const later = await read();
  return { base: later.base, size: later.hot?.size ?? 0 };
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}
