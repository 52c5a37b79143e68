// Live sizes: vCPUs, memory, disks. One member per request, and every change is read back (docs/hotplug.md).
import { stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, SbxError } from '../../core/errors.ts';
import { kindOfRefusal } from './api-error.ts';
import { ApiRefusal } from './client.ts';
import { diskWireId, memoryMaximum, memoryNow } from './convert.ts';
import { ask, type Session, waitForInfo } from './session.ts';
import type { Features } from './version.ts';
import type { VmInfo } from './vm-config.ts';

/** Sets the vCPU count. The guest takes new ones online and lets old ones go by itself. */
export async function resizeCpus(session: Session, count: number): Promise<void> {
  const info = await session.info();
  if (info.cpus === count) return;
  if (count < 1 || count > info.cpusMax) {
    throw new SbxError('SBX5007', `${count} vCPUs were asked for; this VM was started with room for ${info.cpusMax}.`);
  }
  const deadline = performance.now() + session.limits.resizeMs;
  for (let pauseMs = 50; ; pauseMs = Math.min(pauseMs * 2, 1000)) {
    try {
      await ask(session, 'vm.resize', { desired_vcpus: count }, (now) => now.cpus === count);
      break;
    } catch (error) {
      // Refused while the guest still lets go of earlier ones: nothing was done, so asking again is safe.
      const pending = error instanceof ApiRefusal && kindOfRefusal(error.refusal) === 'busy-removing';
      if (!pending || performance.now() + pauseMs >= deadline) throw error;
    }
    await delay(pauseMs);
  }
  const now = await session.info();
  if (now.cpus !== count) {
    throw new SbxError('SBX5005', `${count} vCPUs were asked for, the VMM reports ${now.cpus}.`);
  }
}

/** Sets the memory and waits until the VMM reports it; a guest that gives or takes only a part is SBX5005. */
export async function resizeMemory(session: Session, sizeBytes: number): Promise<void> {
  const info = await session.info();
  checkMemory(info, sizeBytes);
  // The same target again is refused with 500.
  if (memoryTarget(info) !== sizeBytes) {
    await ask(session, 'vm.resize', { desired_ram: sizeBytes }, (now) => memoryTarget(now) === sizeBytes);
  }
  if (await waitForInfo(session, (now) => memoryNow(now) === sizeBytes, session.limits.resizeMs)) return;
  const reached = memoryNow(await session.info());
  throw new SbxError(
    'SBX5005',
    `The guest has ${mebibytes(reached)} of memory, ${mebibytes(sizeBytes)} were asked for.`,
    {
      hint:
        reached > sizeBytes
          ? 'Free memory in the guest and apply again, or restart the VM.'
          : 'The guest needs the virtio_mem driver and must take new memory online.',
    },
  );
}

function memoryTarget(info: VmInfo): number {
  return info.memorySize + info.hotpluggedSize;
}

function checkMemory(info: VmInfo, sizeBytes: number): void {
  const maximum = memoryMaximum(info);
  if (sizeBytes > maximum) {
    throw new SbxError(
      'SBX5007',
      `${mebibytes(sizeBytes)} of memory were asked for; this VM was started with room for ${mebibytes(maximum)}.`,
    );
  }
  if (sizeBytes < info.memorySize) {
    throw new SbxError(
      'SBX5007',
      `${mebibytes(sizeBytes)} of memory were asked for; a running VM cannot have less than it was started with, ${mebibytes(info.memorySize)}.`,
      { hint: 'Restart the VM to give it less.' },
    );
  }
}

/** Makes a disk of a running VM larger; the VMM grows the file itself. Never shrinks: the VMM would cut the file. */
export async function growDisk(session: Session, id: string, sizeBytes: number, features: Features): Promise<void> {
  const wireId = diskWireId(id);
  const disk = (await session.info()).disks.find((one) => one.id === wireId);
  if (disk === undefined) throw new SbxError('SBX5007', `The running VM has no disk "${id}".`);
  if (!features.diskResize || (disk.imageType === 'Qcow2' && !features.qcow2Resize)) {
    throw new SbxError('SBX5007', `This release of Cloud Hypervisor cannot grow disk "${id}" while the VM runs.`);
  }
  const now = disk.path === undefined || disk.imageType === 'Qcow2' ? 0 : (await stat(disk.path)).size;
  // A file that was grown before the crash of an earlier try: the guest may not know yet, so it is told again.
  const body = { id: wireId, desired_size: Math.max(now, sizeBytes) };
  await session.client.put('vm.resize-disk', body, session.limits.requestMs).catch((cause: unknown) => {
    // A build without io_uring cannot be told from outside.
    if (features.diskResizeAnyway || !/Unsupported operation/.test(describeError(cause))) throw cause;
    throw new SbxError('SBX5007', `This build of Cloud Hypervisor cannot grow disk "${id}" while the VM runs.`, {
      cause,
      hint: 'Restart the VM, which then has the larger disk:\nsbx restart VM',
    });
  });
}

function mebibytes(bytes: number): string {
  return `${Math.round((bytes / 1024 / 1024) * 100) / 100} MiB`;
}
