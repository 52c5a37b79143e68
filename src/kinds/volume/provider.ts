// Volumes on the host: sparse raw files that outlive VMs and sandboxes.
import { open, rm, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Address, shortName } from '../../core/address.ts';
import { errnoOf, SbxError } from '../../core/errors.ts';
import type { VolumeObservation } from '../../core/observed.ts';
import type { VolumeRecord } from '../../core/state/state.ts';
import type { Performers } from '../../engine/provider.ts';
import { ensurePrivateFolder, syncFolder } from '../../host/files.ts';
import type { Shell } from '../shell.ts';

export function volumePerformers(shell: Shell): Pick<Performers, 'volume.create' | 'volume.grow' | 'volume.delete'> {
  const pathOf = (address: Address): string => shell.layout.volumePath(shortName(address));
  return {
    'volume.create': async ({ attrs }, context) => {
      const path = pathOf(context.address);
      await ensurePrivateFolder(dirname(path));
      await growTo(path, attrs.sizeBytes);
      return { path };
    },
    'volume.grow': async ({ sizeBytes }, context) => {
      await growTo(pathOf(context.address), sizeBytes);
      return undefined;
    },
    'volume.delete': async ({ ifUnwritten }, context) => {
      if (ifUnwritten === true) await refuseWritten(pathOf(context.address));
      await rm(pathOf(context.address), { force: true });
      return undefined;
    },
  };
}

/** Throws SBX7008 for a file in which anything was ever written. */
async function refuseWritten(path: string): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined || found.blocks === 0) return;
  throw new SbxError('SBX7008', `${path} has been written to, and a rollback destroys no data`, {
    hint: 'sbx destroy removes it.',
  });
}

/** Makes a sparse file, or makes it longer; never cuts one. */
async function growTo(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    if ((await file.stat()).size < sizeBytes) await truncate(path, sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await syncFolder(dirname(path));
}

/** Whether a volume's file is there, and how long it is. */
export async function observeVolume(record: VolumeRecord, shell: Pick<Shell, 'layout'>): Promise<VolumeObservation> {
  try {
    const found = await stat(shell.layout.volumePath(shortName(record.address)));
    return { present: true, sizeBytes: found.size };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { present: false };
    throw error;
  }
}
