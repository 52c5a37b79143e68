// Disks of VMs: sparse raw files of their own, made from an image or empty. The image itself is never written.

import { constants } from 'node:fs';
import { copyFile, open, rename, rm, stat, truncate } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, SbxError } from '../core/errors.ts';
import { run } from '../host/exec.ts';
import { syncFolder } from '../host/files.ts';
import type { ImageDisk } from './cache.ts';
import { cannotClone } from './user-files.ts';

/** A disk file as a driver takes it. */
export interface DiskFile {
  readonly path: string;
  readonly format: 'raw';
  readonly sizeBytes: number;
}

/** Where a new disk's content comes from. */
export type DiskContent = { readonly type: 'empty' } | { readonly type: 'image'; readonly disk: ImageDisk };

interface Options {
  readonly signal?: AbortSignal;
}

/**
 * Makes a disk, sparse, mode 0600, whole or not at all. One that is there already is kept, and grown when it is too
 * small, so that a repeated call is fine. `sizeBytes` absent means the image's own size. Throws SBX7007.
 */
export async function createDisk(
  path: string,
  content: DiskContent,
  sizeBytes: number | undefined,
  options: Options = {},
): Promise<DiskFile> {
  const own = content.type === 'image' ? content.disk.sizeBytes : 0;
  const wanted = wholeSectors(sizeBytes ?? own);
  if (wanted < own)
    throw new SbxError('SBX7007', `a disk of ${wanted} bytes cannot hold the image's ${own} bytes`, {
      hint: `Ask for at least ${Math.ceil(own / 1024 ** 2)}MiB.`,
    });
  if ((await stat(path).catch(() => undefined)) !== undefined) return await growDisk(path, wanted);
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    if (content.type === 'image') await copyImage(content.disk, temporary, options);
    await makeSized(temporary, wanted);
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(temporary, { force: true });
    options.signal?.throwIfAborted();
    throw new SbxError('SBX7007', `cannot make disk ${path}`, { cause });
  }
  return { path, format: 'raw', sizeBytes: wanted };
}

/** Makes a disk file at least this large; never smaller. */
export async function growDisk(path: string, sizeBytes: number): Promise<DiskFile> {
  const wanted = wholeSectors(sizeBytes);
  try {
    const { size } = await stat(path);
    if (size < wanted) await truncate(path, wanted);
    return { path, format: 'raw', sizeBytes: Math.max(size, wanted) };
  } catch (cause) {
    throw new SbxError('SBX7007', `cannot grow disk ${path}`, { cause });
  }
}

/** VMMs refuse disks that are no whole number of sectors; 1 MiB also fits every guest's alignment. */
function wholeSectors(sizeBytes: number): number {
  const step = 1024 * 1024;
  return Math.ceil(sizeBytes / step) * step;
}

/** A private copy of the image's disk: shared blocks where the file system can, else only what is not zero. */
async function copyImage(disk: ImageDisk, path: string, options: Options): Promise<void> {
  const limits = { timeoutMs: 600_000, ...(options.signal === undefined ? {} : { signal: options.signal }) };
  if (disk.format === 'qcow2') {
    // Its header was read by us, from this very file in the cache. Should a fault of ours or its own make it write without
    // end, the limit ends it.
    const limit = ['prlimit', `--fsize=${wholeSectors(disk.sizeBytes)}`, '--'];
    await run([...limit, 'qemu-img', 'convert', '-f', 'qcow2', '-O', 'raw', '-S', '4k', '--', disk.path, path], limits);
    return;
  }
  try {
    await copyFile(disk.path, path, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL);
  } catch (error) {
    if (!cannotClone.has(errnoOf(error) ?? '')) throw error;
    await rm(path, { force: true });
    await run(['cp', '--sparse=always', '--reflink=never', '--', disk.path, path], limits);
  }
}

async function makeSized(path: string, sizeBytes: number): Promise<void> {
  const file = await open(path, 'a', 0o600);
  try {
    await file.chmod(0o600);
    if ((await file.stat()).size < sizeBytes) await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
