// Programs of an image with the libraries that they need, found in a tree of unpacked packages.
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { basename, dirname, join, normalize } from 'node:path';
import { SbxError } from '../core/errors.ts';
import { interpreterOf, neededLibraries } from './elf.ts';
import type { TreeEntry } from './tree.ts';

/** Where the loader of the image looks for libraries without a cache. */
export const libraryFolder = '/lib/x86_64-linux-gnu';

/** Files of the image taken from packages: the recipe's programs, their libraries and their loader. Throws SBX7001. */
export async function programTree(
  tree: string,
  files: Readonly<Record<string, readonly string[]>>,
  libraries: readonly string[],
): Promise<readonly TreeEntry[]> {
  const index = await indexLibraries(tree);
  const entries: TreeEntry[] = [];
  const pending = [...libraries];
  for (const [path, sources] of Object.entries(files)) {
    const content = await firstThere(tree, sources);
    if (content === undefined) throw new SbxError('SBX7001', `no package has ${sources.join(' or ')}`);
    entries.push({ type: 'file', path, mode: 0o755, content });
    pending.push(...neededLibraries(content));
    const loader = interpreterOf(content);
    if (loader !== undefined) entries.push(...(await loaderEntry(tree, index, loader)));
  }
  return [...entries, ...(await libraryEntries(tree, index, pending))];
}

async function libraryEntries(
  tree: string,
  index: ReadonlyMap<string, string>,
  wanted: readonly string[],
): Promise<readonly TreeEntry[]> {
  const found = new Map<string, TreeEntry>();
  const pending = [...wanted];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    // The loader is there already: every program names it.
    if (found.has(name) || name.startsWith('ld-linux')) continue;
    const source = index.get(name);
    if (source === undefined) throw new SbxError('SBX7001', `no package has the library ${name}`);
    const content = await readFile(await resolveInside(tree, source));
    found.set(name, { type: 'file', path: `${libraryFolder}/${name}`, mode: 0o755, content });
    pending.push(...neededLibraries(content));
  }
  return [...found.values()];
}

async function loaderEntry(
  tree: string,
  index: ReadonlyMap<string, string>,
  path: string,
): Promise<readonly TreeEntry[]> {
  const source = index.get(basename(path));
  if (source === undefined) throw new SbxError('SBX7001', `no package has the loader ${path}`);
  return [{ type: 'file', path, mode: 0o755, content: await readFile(await resolveInside(tree, source)) }];
}

/** File name → path inside the tree, for everything that looks like a shared library. */
async function indexLibraries(tree: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const path of await readdir(tree, { recursive: true })) {
    if (/(?:^|\/)lib(?:64)?\/(?:.*\/)?[^/]+\.so(?:\.[^/]*)?$/.test(path)) found.set(basename(path), `/${path}`);
  }
  return found;
}

async function firstThere(tree: string, sources: readonly string[]): Promise<Buffer | undefined> {
  for (const source of sources) {
    const path = await resolveInside(tree, source);
    if ((await stat(path).catch(() => undefined))?.isFile() === true) return await readFile(path);
  }
  return undefined;
}

/** Follows links as they would lead inside the image; never out of the tree. */
async function resolveInside(tree: string, path: string): Promise<string> {
  let at = normalize(path);
  for (let depth = 0; depth < 10; depth++) {
    const target = await readlink(join(tree, at)).catch(() => undefined);
    if (target === undefined) break;
    at = normalize(target.startsWith('/') ? target : join(dirname(at), target));
  }
  return join(tree, at);
}
