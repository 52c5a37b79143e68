// What the cache knows of an image: which files belong to it, what they must look like, and what they were made of.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readTextIfThere } from '../host/files.ts';
import type { PackageRecord } from './packages.ts';

/** Size in `bytes` and sha256 in hexadecimal of a file of an image. */
export interface FileDigest {
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** Stands for a recipe where an image is made of the user's own files; a recipe has no such name. */
export const filesRecipe = 'your own files';

/** `manifest.json` in the folder of an image. */
export interface Manifest {
  readonly format_version: 1;
  /** Name of the recipe, or `filesRecipe` */
  readonly recipe: string;
  /** Digest of the recipe's inputs; the folder is named after it */
  readonly digest: string;
  /** Wall clock in `ms` since the epoch */
  readonly builtAtMs: number;
  readonly distribution: string;
  readonly kernelRelease: string;
  readonly cmdline: string;
  readonly packages: readonly PackageRecord[];
  /** File name → digest: `kernel`, `initrd`, `root.img` or `root.qcow2` */
  readonly files: Readonly<Record<string, FileDigest>>;
}

/** The manifest of an image folder whose files all have the size it says, or undefined when the image is not whole. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const text = await readTextIfThere(join(folder, 'manifest.json'));
  const manifest = text === undefined ? undefined : parseManifest(text);
  if (manifest === undefined) return undefined;
  for (const [name, { sizeBytes }] of Object.entries(manifest.files)) {
    const found = await stat(join(folder, name)).catch(() => undefined);
    if (found?.size !== sizeBytes) return undefined;
  }
  return manifest;
}

function parseManifest(text: string): Manifest | undefined {
  try {
    const value = JSON.parse(text) as Manifest | null;
    return value?.format_version === 1 && typeof value.files === 'object' && value.files !== null ? value : undefined;
  } catch {
    // Half a file: the image counts as not there and is built again.
    return undefined;
  }
}

/** Names of files whose content is not what the manifest says. Reads all of them. */
export async function damagedFiles(folder: string, manifest: Manifest): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const [name, expected] of Object.entries(manifest.files)) {
    const found = await fileDigest(join(folder, name)).catch(() => undefined);
    if (found?.sha256 !== expected.sha256) damaged.push(name);
  }
  return damaged;
}

/** Size and sha256 of a file, read in pieces. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  await pipeline(
    createReadStream(path, { highWaterMark: 1024 * 1024 }),
    async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) {
        sizeBytes += chunk.length;
        hash.update(chunk);
      }
    },
    signal === undefined ? {} : { signal },
  );
  return { sizeBytes, sha256: hash.digest('hex') };
}
