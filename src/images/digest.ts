// What an image is, said by a digest that is cheap enough for every plan: no package manager, no unchanged file read twice.

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource } from '../core/desired.ts';
import { type ImageFolders, imageFolder } from './cache.ts';
import type { ReadOptions } from './hash-file.ts';
import { readManifest } from './manifest.ts';
import { loadRecipe } from './recipe.ts';
import { type FilesSource, findFiles, type KnownDigests } from './user-files.ts';

export interface ImageDigest {
  /** In hexadecimal: of a recipe's inputs, or of the content of the user's files */
  readonly digest: string;
  /** Whether the cache holds the image whole */
  readonly cached: boolean;
  /** What copies of the user's files take in the cache at least, in `bytes`, where it lacks them */
  readonly takesBytes?: number;
  /** Size of the image's disk, when it has one and is there */
  readonly diskBytes?: number;
  /** What that disk takes on the host's file system; a copy without shared blocks takes as much */
  readonly diskUsedBytes?: number;
  /** Size of the file that the disk is packed in, when it is */
  readonly diskPackedBytes?: number;
  /** What to pass as `known` next time; unchanged when nothing was read */
  readonly known: KnownDigests;
}

export interface DigestOptions extends ImageFolders, ReadOptions {
  readonly known?: KnownDigests;
}

/** The digest of an image as it would be made now. Package versions are no part of it: a plan is stable. Throws SBX7002, SBX7006. */
export async function imageDigest(source: ImageSource, options: DigestOptions): Promise<ImageDigest> {
  const known = options.known ?? {};
  if (source.type === 'files') return await digestOfFiles(source, known, options);
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

async function digestOfFiles(source: FilesSource, known: KnownDigests, options: DigestOptions): Promise<ImageDigest> {
  const { digest, disk, takesBytes, learned } = await findFiles(source, known, options);
  const cached = (await readManifest(imageFolder(options.cacheDir, digest))) !== undefined;
  return {
    digest,
    cached,
    ...(cached ? {} : { takesBytes }),
    ...(disk === undefined ? {} : { diskBytes: disk.sizeBytes, diskUsedBytes: disk.usedBytes }),
    ...(disk?.packedBytes === undefined ? {} : { diskPackedBytes: disk.packedBytes }),
    known: Object.keys(learned).length === 0 ? known : { ...known, ...learned },
  };
}

/** Blocks of a file, which `stat` counts in 512 bytes each; nothing for one that is gone meanwhile. */
async function usedBytes(path: string): Promise<{ readonly diskUsedBytes?: number }> {
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? {} : { diskUsedBytes: found.blocks * 512 };
}
