// Builds an image from a recipe as an ordinary user: packages are unpacked beside each other, never run or installed.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SbxError } from '../core/errors.ts';
import { run } from '../host/exec.ts';
import { cpioArchive } from './cpio.ts';
import { bootableKernel, findKernel } from './kernel.ts';
import { programTree } from './libraries.ts';
import { moduleTree, readModules } from './modules.ts';
import { distribution, fetchPackages, kernelPackages, libraryPackages, type PackageRecord } from './packages.ts';
import type { LoadedRecipe } from './recipe.ts';
import { writeRootDisk } from './root-disk.ts';
import { completeTree, type TreeEntry } from './tree.ts';

export interface BuildOptions {
  /** Told in a few words what the build is at */
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** What a build learned beside the files that it wrote. */
export interface BuildResult {
  readonly distribution: string;
  readonly kernelRelease: string;
  readonly cmdline: string;
  readonly packages: readonly PackageRecord[];
}

/** Writes `kernel`, `initrd` and `root.img` into `target`, an empty folder. Throws SBX7001, SBX7003 or SBX7004. */
export async function buildImage(loaded: LoadedRecipe, target: string, options: BuildOptions): Promise<BuildResult> {
  const { recipe } = loaded;
  const signal = options.signal === undefined ? {} : { signal: options.signal };
  const work = await mkdtemp(join(target, '.work-'));
  try {
    const like = await distribution();
    options.onProgress?.('asking apt for packages');
    const kernels = await kernelPackages(recipe.kernel.packages[like] ?? [], signal);
    const libraries = await libraryPackages(recipe.packages, work, signal);
    const packages = join(work, 'packages');
    const names = [...kernels, ...recipe.packages, ...libraries];
    const records = await fetchPackages(names, join(work, 'debs'), packages, options);

    options.onProgress?.('putting the image together');
    const kernel = await findKernel(packages);
    await writeFile(join(target, 'kernel'), await bootableKernel(kernel.path, work, options.signal));
    const entries = await imageTree(loaded, packages, kernel.release, work, options.signal);
    await writeFile(join(target, 'initrd'), cpioArchive(entries));
    await writeRootDisk(entries, join(target, 'root.img'), recipe.disk.sizeBytes, work, options.signal);
    return { distribution: like, kernelRelease: kernel.release, cmdline: recipe.kernel.cmdline, packages: records };
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof SbxError && error.code.startsWith('SBX7')) throw error;
    throw new SbxError('SBX7001', `recipe ${recipe.name} failed`, { cause: error });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The whole root file system of the image. */
async function imageTree(
  loaded: LoadedRecipe,
  packages: string,
  release: string,
  work: string,
  signal: AbortSignal | undefined,
): Promise<readonly TreeEntry[]> {
  const { recipe, overlay } = loaded;
  const modules = await readModules(packages, release, recipe.kernel.modules, work, signal);
  const programs = await programTree(packages, recipe.files, recipe.libraries);
  const entries: TreeEntry[] = [
    ...recipe.folders.map((path) => ({ type: 'folder' as const, path, mode: folderMode(path) })),
    // The kernel opens it for the first program before anything is mounted.
    { type: 'device', path: '/dev/console', mode: 0o600, major: 5, minor: 1 },
    ...programs,
    ...moduleTree(release, modules),
    ...Object.entries(recipe.links).map(([path, target]) => ({ type: 'link' as const, path, target })),
    ...[...overlay].map(([path, content]) => overlayEntry(path, content)),
    overlayEntry('/etc/sbx/modules', Buffer.from(`${recipe.kernel.load.join('\n')}\n`)),
  ];
  return completeTree([...(await appletLinks(join(work, 'busybox'), entries)), ...entries]);
}

function overlayEntry(path: string, content: Buffer): TreeEntry {
  const script = content.subarray(0, 2).toString() === '#!';
  const mode = script ? 0o755 : path === '/etc/shadow' ? 0o600 : 0o644;
  return { type: 'file', path, mode, content };
}

function folderMode(path: string): number {
  if (path === '/tmp' || path === '/var/tmp') return 0o1777;
  return path === '/root' ? 0o700 : 0o755;
}

/** A link in /bin for every applet of the static BusyBox whose name is still free. */
async function appletLinks(program: string, entries: readonly TreeEntry[]): Promise<readonly TreeEntry[]> {
  const busybox = entries.find((entry) => entry.path === '/bin/busybox');
  if (busybox?.type !== 'file') return [];
  await mkdir(join(program, '..'), { recursive: true });
  await writeFile(program, busybox.content, { mode: 0o700 });
  const taken = new Set(entries.map(({ path }) => path.slice(path.lastIndexOf('/') + 1)));
  const applets = (await run([program, '--list'])).split('\n').filter((name) => /^[a-z0-9[][a-z0-9_.[-]*$/.test(name));
  return applets
    .filter((name) => name !== 'busybox' && !taken.has(name))
    .map((name) => ({ type: 'link' as const, path: `/bin/${name}`, target: 'busybox' }));
}
