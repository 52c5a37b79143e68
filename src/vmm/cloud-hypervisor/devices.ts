// Disks and NICs that come and go while a VM runs (docs/hotplug.md).
import { SbxError } from '../../core/errors.ts';
import { isUnknownDevice } from './api-error.ts';
import { ApiRefusal } from './client.ts';
import { ask, type Session, waitForInfo } from './session.ts';
import type { Features } from './version.ts';
import type { DiskConfig, NetConfig, VmInfo } from './vm-config.ts';

/** Adds a device; one that is there already is left as it is. An id that is still being removed is waited for. */
export async function addDevice(
  session: Session,
  action: 'vm.add-disk' | 'vm.add-net',
  config: DiskConfig | NetConfig,
): Promise<void> {
  const info = await session.info();
  if (configHas(info, config.id)) return;
  if (info.devices.has(config.id)) await waitUntilGone(session, config.id);
  await ask(session, action, config, (now) => configHas(now, config.id));
}

/**
 * Removes a device and waits until the guest has let go: the request only queues it, the configuration forgets it at once, and
 * it is gone when it has left the device tree. Asked for again only where the release takes that; others answer with an error.
 */
export async function removeDevice(session: Session, id: string, features: Features): Promise<void> {
  const info = await session.info();
  const pending = info.devices.has(id);
  if (configHas(info, id) || (pending && features.removalRepeats)) await askRemoval(session, id);
  else if (!pending) return;
  const { detachMs, removeAgainMs } = session.limits;
  const deadline = performance.now() + detachMs;
  while (!(await isGoneWithin(session, id, Math.min(removeAgainMs, deadline - performance.now())))) {
    if (performance.now() >= deadline) throw kept(id, detachMs);
    // A running VMM may be older than the program that was found: it then refuses, and the first request stands.
    if (features.removalRepeats) await askRemoval(session, id).catch(unlessRefused);
  }
}

async function askRemoval(session: Session, id: string): Promise<void> {
  try {
    await ask(session, 'vm.remove-device', { id }, (now) => !configHas(now, id));
  } catch (error) {
    if (!(error instanceof ApiRefusal) || !isUnknownDevice(error.refusal)) throw error;
    // The guest has let go of it meanwhile.
  }
}

function unlessRefused(error: unknown): void {
  if (!(error instanceof ApiRefusal)) throw error;
}

async function waitUntilGone(session: Session, id: string): Promise<void> {
  const { detachMs } = session.limits;
  if (!(await isGoneWithin(session, id, detachMs))) throw kept(id, detachMs);
}

async function isGoneWithin(session: Session, id: string, timeoutMs: number): Promise<boolean> {
  return await waitForInfo(session, (now) => !now.devices.has(id), timeoutMs);
}

function kept(id: string, detachMs: number): SbxError {
  return new SbxError('SBX5006', `The guest has not let go of device "${id}" within ${detachMs / 1000} s.`, {
    hint: 'Unmount or shut down the device in the guest and apply again.',
  });
}

function configHas(info: VmInfo, id: string): boolean {
  return info.disks.some((disk) => disk.id === id) || info.nets.some((net) => net.id === id);
}
