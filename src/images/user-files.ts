// Images made of the user's own files: checked for what they are, never copied into the cache, never written.
import { constants } from 'node:fs';
import { access, type FileHandle, open, stat } from 'node:fs/promises';
import type { ImageSource } from '../core/desired.ts';
import { errnoOf, SbxError } from '../core/errors.ts';
import type { BuiltImage, ImageDisk } from './cache.ts';

type FilesSource = Extract<ImageSource, { readonly type: 'files' }>;

/** The files of an image that the user brings, with the size and format of its disk. Throws SBX7006. */
export async function filesImage(source: FilesSource): Promise<BuiltImage> {
  await mustBeReadable(source.kernel);
  if (source.initrd !== undefined) await mustBeReadable(source.initrd);
  return {
    kernel: source.kernel,
    ...(source.initrd === undefined ? {} : { initrd: source.initrd }),
    cmdline: source.cmdline ?? '',
    ...(source.disk === undefined ? {} : { disk: await describeDisk(source.disk) }),
  };
}

/** Absolute paths of an image's files, in a fixed order. */
export function filesOf(source: FilesSource): readonly string[] {
  return [source.kernel, source.initrd, source.disk].filter((path) => path !== undefined);
}

/** Format and size of a disk file, from its first bytes: qcow2 version 2 and 3 (docs/interop/qcow2.txt), else raw. */
export async function describeDisk(path: string): Promise<ImageDisk> {
  await mustBeReadable(path);
  const head = Buffer.alloc(32);
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    await file.read(head, 0, head.length, 0);
  } finally {
    await file?.close();
  }
  if (head.toString('latin1', 0, 4) === 'QFI\xfb') {
    // A backing file could be any file of this user: what a guest may read must stand in the sandbox file.
    if (head.readBigUInt64BE(8) !== 0n)
      throw new SbxError('SBX7006', `${path} is an overlay of another file`, { hint: 'Flatten it:\nqemu-img convert' });
    return { path, format: 'qcow2', sizeBytes: Number(head.readBigUInt64BE(24)) };
  }
  return { path, format: 'raw', sizeBytes: (await stat(path)).size };
}

async function mustBeReadable(path: string): Promise<void> {
  try {
    if (!(await stat(path)).isFile()) throw new SbxError('SBX7006', `${path} is not a regular file`);
    await access(path, constants.R_OK);
  } catch (cause) {
    if (cause instanceof SbxError) throw cause;
    const why = errnoOf(cause) === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new SbxError('SBX7006', `${path} ${why}`, { cause });
  }
}
