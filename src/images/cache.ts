// The image cache: one folder per digest, made whole under another name and renamed, under a lock per image.
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource } from '../core/desired.ts';
import { SbxError } from '../core/errors.ts';
import { syncFolder, writeFileAtomic } from '../host/files.ts';
import { type BuildOptions, buildImage } from './build.ts';
import { withFileLock } from './lock.ts';
import { damagedFiles, type FileDigest, fileDigest, type Manifest, readManifest } from './manifest.ts';
import { type LoadedRecipe, loadRecipe } from './recipe.ts';
import { filesImage } from './user-files.ts';

/** Where images come from and go to; absolute. */
export interface ImageFolders {
  /** Parent of `images/`, the cache of built images */
  readonly cacheDir: string;
  /** Folder with one folder per recipe */
  readonly recipesDir: string;
}

/** An image that is there: what a VM boots from. Nobody may write to any of these files. */
export interface BuiltImage {
  readonly kernel: string;
  readonly initrd?: string;
  readonly cmdline: string;
  readonly disk?: ImageDisk;
  /** Cache key, absent for files of one's own */
  readonly cacheKey?: string;
}

/** The disk of an image; `sizeBytes` as a guest sees it. */
export interface ImageDisk {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly sizeBytes: number;
}

/** Longest wait for another build of the same image, in `ms`. */
const buildLimitMs = 15 * 60_000;

/**
 * Makes sure that an image is there, building it when the cache lacks it. Safe to call from several processes at once.
 * `refresh` builds it again from today's packages. Throws SBX7001 to SBX7006.
 */
export async function ensureImage(
  source: ImageSource,
  options: ImageFolders & BuildOptions & { readonly refresh?: boolean },
): Promise<BuiltImage> {
  if (source.type === 'files') return await filesImage(source);
  const loaded = await loadRecipe(options.recipesDir, source.recipe);
  const folder = imageFolder(options.cacheDir, loaded.digest);
  const found = options.refresh === true ? undefined : await readManifest(folder);
  if (found !== undefined) return builtImage(folder, found);
  return await withBuildLock(options, loaded.digest, async () => {
    const meanwhile = options.refresh === true ? undefined : await readManifest(folder);
    return builtImage(folder, meanwhile ?? (await buildInto(loaded, folder, options)));
  });
}

/** Folder of an image in the cache. */
export function imageFolder(cacheDir: string, digest: string): string {
  return join(cacheDir, 'images', digest.slice(0, 32));
}

function builtImage(folder: string, manifest: Manifest): BuiltImage {
  const disk = manifest.files['root.img'];
  return {
    kernel: join(folder, 'kernel'),
    ...(manifest.files['initrd'] === undefined ? {} : { initrd: join(folder, 'initrd') }),
    cmdline: manifest.cmdline,
    ...(disk === undefined
      ? {}
      : { disk: { path: join(folder, 'root.img'), format: 'raw' as const, sizeBytes: disk.sizeBytes } }),
    cacheKey: manifest.digest,
  };
}

async function withBuildLock<T>(
  options: ImageFolders & BuildOptions,
  digest: string,
  work: () => Promise<T>,
): Promise<T> {
  const images = join(options.cacheDir, 'images');
  await mkdir(images, { recursive: true, mode: 0o700 });
  return await withFileLock(join(images, `.${digest.slice(0, 32)}.lock`), work, {
    timeoutMs: buildLimitMs,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Builds beside the cache entry and swaps it in. The lock is held: leftovers of a killed build can go. */
async function buildInto(loaded: LoadedRecipe, folder: string, options: BuildOptions): Promise<Manifest> {
  await removeLeftovers(folder);
  const temporary = await mkdtemp(`${folder}.new-`);
  try {
    const result = await buildImage(loaded, temporary, options);
    const files: Record<string, FileDigest> = {};
    for (const name of (await readdir(temporary)).sort()) files[name] = await fileDigest(join(temporary, name));
    const manifest: Manifest = {
      format_version: 1,
      recipe: loaded.recipe.name,
      digest: loaded.digest,
      builtAtMs: Date.now(),
      ...result,
      files,
    };
    await writeFileAtomic(join(temporary, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(folder, `${folder}.old-${process.pid}`).catch(ignoreMissing);
    await rename(temporary, folder);
    await syncFolder(join(folder, '..'));
    return manifest;
  } finally {
    await removeLeftovers(folder);
  }
}

async function removeLeftovers(folder: string): Promise<void> {
  const parent = join(folder, '..');
  const name = folder.slice(parent.length + 1);
  for (const entry of await readdir(parent)) {
    if (entry.startsWith(`${name}.new-`) || entry.startsWith(`${name}.old-`))
      await rm(join(parent, entry), { recursive: true, force: true });
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Reads every byte of a cached image. Throws SBX7005 naming what is damaged; undefined when the cache lacks it. */
export async function verifyImage(cacheDir: string, digest: string): Promise<Manifest | undefined> {
  const folder = imageFolder(cacheDir, digest);
  const manifest = await readManifest(folder);
  if (manifest === undefined) return undefined;
  const damaged = await damagedFiles(folder, manifest);
  if (damaged.length === 0) return manifest;
  throw new SbxError(
    'SBX7005',
    `${damaged.join(', ')} of image ${manifest.recipe} in ${folder} changed after the build`,
    {
      hint: `Build it again:\nsbx image build ${manifest.recipe} --refresh`,
    },
  );
}
