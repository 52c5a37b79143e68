// Images made of the user's own files: looked at for a plan, and taken into the cache before anything boots from them. What
// programs are given is the copy in the cache, under a name of ours, and what is checked last is that copy.
import { constants } from 'node:fs';
import { copyFile, type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource } from '../core/desired.ts';
import { errnoOf, SbxError } from '../core/errors.ts';
import { sha256Hex } from '../core/sha256.ts';
import { hashOwnFile, type ReadOptions } from './hash-file.ts';
import { checkKernel, inspectDisk, unpackedSize } from './inspect.ts';
import type { FileDigest } from './manifest.ts';
import { type FileRole, type OwnFile, withOwnFile } from './own-file.ts';

/** An image that the user brings. */
export type FilesSource = Extract<ImageSource, { readonly type: 'files' }>;

/** A file's digest with what the file looked like then; equal looks make reading it again needless. */
export interface KnownDigest {
  /** Device, inode, size and both times in ns, see `looksOf` */
  readonly looks: string;
  readonly sha256: string;
  /** What a disk takes when it is unpacked, in `bytes`; only of packed ones */
  readonly unpackedBytes?: number;
}

/** Digests known from before, by absolute path. Plain data: the caller keeps it between runs. */
export type KnownDigests = Readonly<Record<string, KnownDigest>>;

/** The files of an image as they are now. */
export interface FoundFiles {
  readonly digest: string;
  /** What copies of all files take at least, in `bytes` */
  readonly takesBytes: number;
  readonly disk?: {
    readonly sizeBytes: number;
    readonly usedBytes: number;
    /** Size of the file itself, of a packed disk */
    readonly packedBytes?: number;
  };
  /** What was read anew */
  readonly learned: KnownDigests;
}

/** Names of the files of an image in its folder of the cache. */
export const cachedDisk = { raw: 'root.img', qcow2: 'root.qcow2' } as const;

const unfinished = 'taken';

/** Looks at the files of an image; reads only those that look different from before. Throws SBX7006. */
export async function findFiles(source: FilesSource, known: KnownDigests, options: ReadOptions): Promise<FoundFiles> {
  const learned: Record<string, KnownDigest> = {};
  const digests: [FileRole, string][] = [];
  let takesBytes = 0;
  let disk: FoundFiles['disk'];
  for (const [role, path] of filesOf(source)) {
    await withOwnFile(path, role, async (own) => {
      const now = await digestOf(own, known[path], options);
      if (now !== known[path]) learned[path] = now;
      digests.push([role, now.sha256]);
      const usedBytes = Number(own.facts.blocks) * 512;
      takesBytes += usedBytes;
      if (role === 'kernel') await checkKernel(own);
      if (role === 'disk') disk = await describe(own, now, usedBytes);
    });
  }
  return { digest: digestOfFiles(source, digests), takesBytes, ...(disk === undefined ? {} : { disk }), learned };
}

/**
 * Copies the files of an image into a folder of ours, under our names, checks the copies and gives their digests. A file that is
 * not what it was when the image's digest was `expected` is refused (SBX7009). Throws SBX7006 and SBX7001.
 */
export async function takeFiles(
  source: FilesSource,
  folder: string,
  expected: string,
  options: ReadOptions,
): Promise<Readonly<Record<string, FileDigest>>> {
  const files: Record<string, FileDigest> = {};
  const digests: [FileRole, string][] = [];
  for (const [role, path] of filesOf(source)) {
    const copy = join(folder, unfinished);
    const taken = await withOwnFile(path, role, (own) => takeFile(own, copy, options));
    digests.push([role, taken.sha256]);
    const name = await nameOf(role, path, copy);
    await rename(copy, join(folder, name));
    files[name] = taken;
  }
  if (digestOfFiles(source, digests) === expected) return files;
  const paths = filesOf(source).map(([, path]) => path);
  throw new SbxError('SBX7009', `${paths.join(', ')}: not all of it is as it was when this was planned`, {
    hint: 'Nothing was started from it. See what it would be now with:\nsbx plan',
  });
}

/** Files of an image with their roles, in a fixed order. */
function filesOf(source: FilesSource): readonly (readonly [FileRole, string])[] {
  const { kernel, initrd, disk } = source;
  const all = [
    ['kernel', kernel],
    ['initrd', initrd],
    ['disk', disk],
  ] as const;
  return all.flatMap(([role, path]) => (path === undefined ? [] : [[role, path] as const]));
}

function digestOfFiles(source: FilesSource, digests: readonly (readonly [FileRole, string])[]): string {
  return sha256Hex(`cmdline ${source.cmdline ?? ''}\0`, ...digests.map(([role, sha256]) => `${role} ${sha256}\0`));
}

async function digestOf(own: OwnFile, known: KnownDigest | undefined, options: ReadOptions): Promise<KnownDigest> {
  const looks = looksOf(own);
  if (known?.looks === looks) return known;
  const unpackedBytes = await unpackedOf(own);
  const sha256 = await hashOwnFile(own, options);
  // A file that is written while it is read has no digest worth remembering.
  const after = looksOf({ facts: await own.file.stat({ bigint: true }) });
  return {
    looks: after === looks ? looks : '',
    sha256,
    ...(unpackedBytes === undefined ? {} : { unpackedBytes }),
  };
}

/** Of a disk that is to be unpacked. It is refused here already: nobody should wait for the digest of what cannot be used. */
async function unpackedOf(own: OwnFile): Promise<number | undefined> {
  if (own.role === 'kernel') await checkKernel(own);
  if (own.role !== 'disk' || (await inspectDisk(own)).format === 'raw') return undefined;
  return await unpackedSize(own);
}

function looksOf({ facts }: Pick<OwnFile, 'facts'>): string {
  return [facts.dev, facts.ino, facts.size, facts.mtimeNs, facts.ctimeNs].join(' ');
}

async function describe(own: OwnFile, now: KnownDigest, usedBytes: number): Promise<NonNullable<FoundFiles['disk']>> {
  const { format, sizeBytes } = await inspectDisk(own);
  return format === 'raw'
    ? { sizeBytes, usedBytes }
    : { sizeBytes, usedBytes: now.unpackedBytes ?? sizeBytes, packedBytes: own.sizeBytes };
}

/** Copies an open file, with shared blocks where the file system can, and gives the digest of the copy. */
async function takeFile(own: OwnFile, copy: string, options: ReadOptions): Promise<FileDigest> {
  await rm(copy, { force: true });
  const cloned = await clone(own, copy);
  const file = await open(copy, cloned ? 'r' : 'wx', 0o400);
  try {
    await file.chmod(0o400);
    const sizeBytes = cloned ? (await file.stat()).size : own.sizeBytes;
    const sha256 = cloned
      ? await hashOwnFile({ ...own, file, sizeBytes }, options)
      : await hashOwnFile(own, options, file);
    await file.sync();
    return { sizeBytes: (await file.stat()).size, sha256 };
  } finally {
    await file.close();
  }
}

async function clone({ file }: OwnFile, copy: string): Promise<boolean> {
  try {
    const mode = constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL;
    // Not its path: that may lead elsewhere by now.
    await copyFile(`/proc/self/fd/${file.fd}`, copy, mode);
    return true;
  } catch (error) {
    if (!cannotClone.has(errnoOf(error) ?? '')) throw error;
    await rm(copy, { force: true });
    return false;
  }
}

/** What file systems answer that share no blocks, or not between these two folders. */
export const cannotClone: ReadonlySet<string> = new Set('ENOTSUP EOPNOTSUPP EXDEV EINVAL ENOSYS ENOTTY'.split(' '));

/** The name of a copy, when the copy is what its role wants. */
async function nameOf(role: FileRole, path: string, copy: string): Promise<string> {
  const file = await open(copy, 'r');
  try {
    if (role === 'kernel') await checkKernel({ path, file });
    if (role !== 'disk') return role;
    return cachedDisk[(await inspectDisk({ path, file, sizeBytes: (await file.stat()).size })).format];
  } finally {
    await file.close();
  }
}

/** Format and size of the disk in a folder of the cache. Throws SBX7006. */
export async function describeCachedDisk(
  path: string,
): Promise<{ readonly format: 'raw' | 'qcow2'; readonly sizeBytes: number }> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
    return await inspectDisk({ path, file, sizeBytes: (await file.stat()).size });
  } finally {
    await file?.close();
  }
}
