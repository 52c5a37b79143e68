// What an image is, said by a digest that is cheap enough for every plan: no package manager, no unchanged file read twice.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource } from '../core/desired.ts';
import { SbxError } from '../core/errors.ts';
import { sha256Hex } from '../core/sha256.ts';
import { imageFolder } from './cache.ts';
import { fileDigest, readManifest } from './manifest.ts';
import { loadRecipe } from './recipe.ts';
import { describeDisk, filesOf } from './user-files.ts';

/** A file's digest with what the file looked like then; equal looks make reading it again needless. */
export interface KnownDigest {
  /** Device, inode, size and both times in ns, see `looksOf` */
  readonly looks: string;
  readonly sha256: string;
}

/** Digests known from before, by absolute path. Plain data: the caller keeps it between runs. */
export type KnownDigests = Readonly<Record<string, KnownDigest>>;

export interface ImageDigest {
  /** In hexadecimal: of a recipe's inputs, or of the content of the user's files */
  readonly digest: string;
  /** Whether the cache holds the image whole; true for files of the user */
  readonly cached: boolean;
  /** Size of the image's disk, when it has one and is there */
  readonly diskBytes?: number;
  /** What that disk takes on the host's file system; a copy without shared blocks takes as much */
  readonly diskUsedBytes?: number;
  /** What to pass as `known` next time; unchanged when nothing was read */
  readonly known: KnownDigests;
}

/** The digest of an image as it would be made now. Package versions are no part of it: a plan is stable. Throws SBX7002, SBX7006. */
export async function imageDigest(
  source: ImageSource,
  options: { readonly cacheDir: string; readonly recipesDir: string; readonly known?: KnownDigests },
): Promise<ImageDigest> {
  const known = options.known ?? {};
  if (source.type === 'files') return await digestOfFiles(source, known);
  const { digest } = await loadRecipe(options.recipesDir, source.recipe);
  const manifest = await readManifest(imageFolder(options.cacheDir, digest));
  const disk = manifest?.files['root.img'];
  return {
    digest,
    cached: manifest !== undefined,
    ...(disk === undefined
      ? {}
      : { diskBytes: disk.sizeBytes, ...(await usedBytes(join(imageFolder(options.cacheDir, digest), 'root.img'))) }),
    known,
  };
}

async function digestOfFiles(
  source: Extract<ImageSource, { readonly type: 'files' }>,
  known: KnownDigests,
): Promise<ImageDigest> {
  const learned: Record<string, KnownDigest> = {};
  const parts = [`cmdline ${source.cmdline ?? ''}\0`];
  for (const path of filesOf(source)) {
    const now = await digestOfFile(path, known[path]);
    if (now !== known[path]) learned[path] = now;
    const role = path === source.kernel ? 'kernel' : path === source.initrd ? 'initrd' : 'disk';
    parts.push(`${role} ${now.sha256}\0`);
  }
  const disk = source.disk === undefined ? undefined : await describeDisk(source.disk);
  return {
    digest: sha256Hex(...parts),
    cached: true,
    ...(disk === undefined ? {} : { diskBytes: disk.sizeBytes, ...(await usedBytes(disk.path)) }),
    known: Object.keys(learned).length === 0 ? known : { ...known, ...learned },
  };
}

/** Blocks of a file, which `stat` counts in 512 bytes each; nothing for one that is gone meanwhile. */
async function usedBytes(path: string): Promise<{ readonly diskUsedBytes?: number }> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? {} : { diskUsedBytes: found.blocks * 512 };
}

async function digestOfFile(path: string, known: KnownDigest | undefined): Promise<KnownDigest> {
  try {
    const looks = await looksOf(path);
    if (known?.looks === looks) return known;
    const { sha256 } = await fileDigest(path);
    // A file that is written while it is read has no digest worth remembering.
    return { looks: (await looksOf(path)) === looks ? looks : '', sha256 };
  } catch (cause) {
    if (cause instanceof SbxError) throw cause;
    throw new SbxError('SBX7006', `${path} cannot be read`, { cause });
  }
}

async function looksOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true });
  if (!found.isFile()) throw new SbxError('SBX7006', `${path} is not a regular file`);
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(' ');
}
