// The image cache: one folder per digest, made whole under another name and renamed, under a lock per image.
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageSource } from '../core/desired.ts';
import { bug, SbxError } from '../core/errors.ts';
import { syncFolder, writeFileAtomic } from '../host/files.ts';
import { type BuildOptions, buildImage } from './build.ts';
import { withFileLock } from './lock.ts';
import { damagedFiles, type FileDigest, fileDigest, filesRecipe, type Manifest, readManifest } from './manifest.ts';
import { type LoadedRecipe, loadRecipe } from './recipe.ts';
import { cachedDisk, describeCachedDisk, type FilesSource, takeFiles } from './user-files.ts';

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
  /** Digest that the cache has it under */
  readonly cacheKey: string;
}

/** The disk of an image; `sizeBytes` as a guest sees it. */
export interface ImageDisk {
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  readonly sizeBytes: number;
}

/** Longest wait for another build of the same image, in `ms`. */
const buildLimitMs = 15 * 60_000;

/** What an image was planned as: files of the user's are taken only while they still have this digest. */
export interface EnsureOptions extends ImageFolders, BuildOptions {
  readonly digest?: string;
  /** Build it again from today's packages */
  readonly refresh?: boolean;
}

/**
 * Makes sure that an image is in the cache, building it or taking the user's files when the cache lacks it. Safe to call
 * from several processes at once. Throws SBX7001 to SBX7006 and SBX7009.
 */
export async function ensureImage(source: ImageSource, options: EnsureOptions): Promise<BuiltImage> {
  if (source.type === 'files') {
    const digest = options.digest ?? bug('files of the user have a digest that they were planned with');
    return await ensureEntry(digest, options, (temporary) => takeInto(source, digest, temporary, options));
  }
  const loaded = await loadRecipe(options.recipesDir, source.recipe);
  return await ensureEntry(loaded.digest, options, (temporary) => buildInto(loaded, temporary, options));
}

async function ensureEntry(
  digest: string,
  options: EnsureOptions,
  fill: (temporary: string) => Promise<Manifest>,
): Promise<BuiltImage> {
  const folder = imageFolder(options.cacheDir, digest);
  const found = options.refresh === true ? undefined : await readManifest(folder);
  if (found !== undefined) return await builtImage(folder, found);
  return await withBuildLock(options, digest, async () => {
    const meanwhile = options.refresh === true ? undefined : await readManifest(folder);
    return await builtImage(folder, meanwhile ?? (await makeEntry(folder, fill)));
  });
}

/** Folder of an image in the cache. */
export function imageFolder(cacheDir: string, digest: string): string {
  return join(cacheDir, 'images', digest.slice(0, 32));
}

async function builtImage(folder: string, manifest: Manifest): Promise<BuiltImage> {
  const disk = Object.values(cachedDisk).find((name) => manifest.files[name] !== undefined);
  return {
    kernel: join(folder, 'kernel'),
    ...(manifest.files['initrd'] === undefined ? {} : { initrd: join(folder, 'initrd') }),
    cmdline: manifest.cmdline,
    ...(disk === undefined ? {} : { disk: await cachedDiskOf(join(folder, disk), manifest) }),
    cacheKey: manifest.digest,
  };
}

/** What we built is raw, whatever it begins with. What was taken is looked at again by whoever uses it. */
async function cachedDiskOf(path: string, manifest: Manifest): Promise<ImageDisk> {
  if (manifest.recipe === filesRecipe) return { path, ...(await describeCachedDisk(path)) };
  return { path, format: 'raw', sizeBytes: manifest.files[cachedDisk.raw]?.sizeBytes ?? 0 };
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

/** Fills an entry beside its place and swaps it in. The lock is held: leftovers of a killed run can go. */
async function makeEntry(folder: string, fill: (temporary: string) => Promise<Manifest>): Promise<Manifest> {
  await removeLeftovers(folder);
  await removeAbandoned(join(folder, '..'));
  const temporary = await mkdtemp(`${folder}.new-`);
  try {
    const manifest = await fill(temporary);
    await writeFileAtomic(join(temporary, 'manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    await rename(folder, `${folder}.old-${process.pid}`).catch(ignoreMissing);
    await rename(temporary, folder);
    await syncFolder(join(folder, '..'));
    return manifest;
  } finally {
    await removeLeftovers(folder);
  }
}

async function buildInto(loaded: LoadedRecipe, temporary: string, options: BuildOptions): Promise<Manifest> {
  const result = await buildImage(loaded, temporary, options);
  const files: Record<string, FileDigest> = {};
  for (const name of (await readdir(temporary)).sort()) files[name] = await fileDigest(join(temporary, name));
  const { digest } = loaded;
  return { format_version: 1, recipe: loaded.recipe.name, digest, builtAtMs: Date.now(), ...result, files };
}

async function takeInto(
  source: FilesSource,
  digest: string,
  temporary: string,
  options: BuildOptions,
): Promise<Manifest> {
  options.onProgress?.('taking the files of the image');
  const files = await takeFiles(source, temporary, digest, options).catch((cause: unknown) => {
    options.signal?.throwIfAborted();
    if (cause instanceof SbxError) throw cause;
    throw new SbxError('SBX7001', 'the files of the image cannot be copied into the cache', { cause });
  });
  const { cmdline = '' } = source;
  const made = { distribution: '', kernelRelease: '', packages: [], cmdline, builtAtMs: Date.now() };
  return { format_version: 1, recipe: filesRecipe, digest, ...made, files };
}

async function removeLeftovers(folder: string): Promise<void> {
  const parent = join(folder, '..');
  const name = folder.slice(parent.length + 1);
  for (const entry of await readdir(parent)) {
    if (entry.startsWith(`${name}.new-`) || entry.startsWith(`${name}.old-`))
      await rm(join(parent, entry), { recursive: true, force: true });
  }
}

/**
 * Removes what killed runs left of entries that may never be asked for again, copies of large disks among them. Whoever is at
 * work on one holds its lock.
 */
export async function removeAbandoned(images: string): Promise<void> {
  const left = (await readdir(images)).flatMap((name) => /^([0-9a-f]{32})\.(?:new|old)-/.exec(name)?.[1] ?? []);
  for (const name of new Set(left)) {
    const lockPath = join(images, `.${name}.lock`);
    await withFileLock(lockPath, () => removeLeftovers(join(images, name)), { timeoutMs: 0 }).catch(
      (error: unknown) => {
        if (!(error instanceof SbxError)) throw error;
      },
    );
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
      hint:
        manifest.recipe === filesRecipe
          ? `Take its files again: remove ${folder} and run sbx apply.`
          : `Build it again:\nsbx image build ${manifest.recipe} --force`,
    },
  );
}
