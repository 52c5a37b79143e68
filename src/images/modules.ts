// Kernel modules of an image: those a recipe names, what they depend on, and the tables that modprobe reads.
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { SbxError } from '../core/errors.ts';
import { moduleInfo } from './elf.ts';
import { unpackFile } from './kernel.ts';
import type { TreeEntry } from './tree.ts';

/** A module as it lies in the image: plain, whatever the package had. */
export interface KernelModule {
  /** With `_` for `-`, as the kernel names it */
  readonly name: string;
  /** Relative to /lib/modules/RELEASE, such as `kernel/fs/ext4/ext4.ko` */
  readonly path: string;
  readonly content: Buffer;
  readonly depends: readonly string[];
  readonly aliases: readonly string[];
}

/** Reads the wanted modules and all that they depend on. Modules built into the kernel, or absent from it, are left out. */
export async function readModules(
  tree: string,
  release: string,
  wanted: readonly string[],
  work: string,
  signal?: AbortSignal,
): Promise<readonly KernelModule[]> {
  const root = await modulesRoot(tree, release);
  const files = new Map<string, string>();
  for (const path of await readdir(join(root, 'kernel'), { recursive: true })) {
    const match = /([^/]+)\.ko(?:\.(?:xz|zst|gz))?$/.exec(path);
    if (match?.[1] !== undefined) files.set(kernelName(match[1]), join('kernel', path));
  }
  const found = new Map<string, KernelModule>();
  const pending = wanted.map(kernelName);
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const path = files.get(name);
    if (path === undefined || found.has(name)) continue;
    const module = describe(name, path, await readModule(join(root, path), work, signal));
    found.set(name, module);
    pending.push(...module.depends);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function modulesRoot(tree: string, release: string): Promise<string> {
  for (const parent of ['usr/lib/modules', 'lib/modules']) {
    const root = join(tree, parent, release);
    if ((await stat(join(root, 'kernel')).catch(() => undefined))?.isDirectory() === true) return root;
  }
  throw new SbxError('SBX7001', `the packages hold no modules of kernel ${release}`);
}

async function readModule(path: string, work: string, signal?: AbortSignal): Promise<Buffer> {
  const bytes = await readFile(path);
  if (path.endsWith('.ko')) return bytes;
  if (path.endsWith('.gz')) return gunzipSync(bytes);
  const program = path.endsWith('.zst') ? 'zstd' : 'xz';
  const plain = await unpackFile(program, bytes, work, signal);
  if (plain !== undefined) return plain;
  const hint = `Install ${program === 'xz' ? 'xz-utils' : program}:\nsudo apt-get install ${program === 'xz' ? 'xz-utils' : program}`;
  throw new SbxError('SBX7001', `${basename(path)} cannot be unpacked with ${program}`, { hint });
}

function describe(name: string, path: string, content: Buffer): KernelModule {
  const info = moduleInfo(content);
  const depends = (info.get('depends') ?? []).flatMap((list) => list.split(',')).filter((word) => word !== '');
  const plainPath = path.replace(/\.(?:xz|zst|gz)$/, '');
  return { name, path: plainPath, content, depends: depends.map(kernelName), aliases: info.get('alias') ?? [] };
}

/** Files of /lib/modules/RELEASE: the modules, `modules.dep` and `modules.alias`. Pure. */
export function moduleTree(release: string, modules: readonly KernelModule[]): readonly TreeEntry[] {
  const root = `/lib/modules/${release}`;
  const text = (name: string, lines: readonly string[]): TreeEntry => ({
    type: 'file',
    path: `${root}/${name}`,
    mode: 0o644,
    content: Buffer.from(lines.map((line) => `${line}\n`).join('')),
  });
  return [
    ...modules.map(({ path, content }) => ({ type: 'file' as const, path: `${root}/${path}`, mode: 0o644, content })),
    text(
      'modules.dep',
      modules.map((module) => [`${module.path}:`, ...dependencyPaths(module, modules)].join(' ')),
    ),
    text(
      'modules.alias',
      modules.flatMap(({ name, aliases }) => aliases.map((alias) => `alias ${alias} ${name}`)),
    ),
  ];
}

/** Paths of everything that must be loaded before, nearest first. */
function dependencyPaths(module: KernelModule, modules: readonly KernelModule[]): readonly string[] {
  const byName = new Map(modules.map((candidate) => [candidate.name, candidate]));
  const seen = new Set<string>();
  const visit = (name: string): void => {
    const found = byName.get(name);
    if (found === undefined) return;
    seen.delete(found.path);
    seen.add(found.path);
    found.depends.forEach(visit);
  };
  module.depends.forEach(visit);
  return [...seen];
}

function kernelName(name: string): string {
  return name.replaceAll('-', '_');
}
