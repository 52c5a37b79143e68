// Disks and NICs that come and go while a VM runs (docs/hotplug.md).
import { SbxError } from '../../core/errors.ts';
import { ask, type Session, waitForInfo } from './session.ts';
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
 * it is gone when it has left the device tree. It is asked for once, since some releases answer a second request with an error.
 */
export async function removeDevice(session: Session, id: string): Promise<void> {
  const info = await session.info();
  if (configHas(info, id)) await ask(session, 'vm.remove-device', { id }, (now) => !configHas(now, id));
  else if (!info.devices.has(id)) return;
  await waitUntilGone(session, id);
}

async function waitUntilGone(session: Session, id: string): Promise<void> {
  const { detachMs } = session.limits;
  if (await waitForInfo(session, (now) => !now.devices.has(id), detachMs)) return;
  throw new SbxError('SBX5006', `The guest has not let go of device "${id}" within ${detachMs / 1000} s.`, {
    hint: 'Unmount or shut down the device in the guest and apply again.',
  });
}

function configHas(info: VmInfo, id: string): boolean {
  return info.disks.some((disk) => disk.id === id) || info.nets.some((net) => net.id === id);
}
