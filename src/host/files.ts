// Files that must survive a crash whole, and folders that only their owner may enter.
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errnoOf } from '../core/errors.ts';

/** Text of a file, or undefined when there is none, or something on the way to it is no folder. */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Makes a folder and its parents, mode 0700. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  try {
    await makeFolder(path);
  } catch (error) {
    const parent = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || parent === path) throw error;
    // Parent by parent: Node's own recursion never ends where a file system takes no folders, as in /proc.
    await ensurePrivateFolder(parent);
    await makeFolder(path);
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}

/**
 * Replaces a file whole or not at all: temp file, fsync, rename, fsync of the folder. Mode 0600 unless given. A lock keeps
 * writers of one file apart, so that the temp file has one name: what a killed writer left is overwritten by the next.
 */
export async function writeFileAtomic(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  await replaceFile(path, temporaryOf(path), content, { flags: 'w', mode });
}

/** The same for files that no lock guards: two writers may be at it, and the last one wins. */
export async function writeFileUnlocked(path: string, content: string | Uint8Array): Promise<void> {
  const unique = `.${process.pid}-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}.tmp`;
  await replaceFile(path, join(dirname(path), unique), content, { flags: 'wx', mode: 0o600 });
}

/** What `writeFileAtomic` writes before it is `path`. */
export function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}

async function replaceFile(
  path: string,
  temporary: string,
  content: string | Uint8Array,
  { flags, mode }: { readonly flags: 'w' | 'wx'; readonly mode: number },
): Promise<void> {
  try {
    const file = await open(temporary, flags, mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  let folder: FileHandle | undefined;
  try {
    folder = await open(path, 'r');
    await folder.sync();
  } finally {
    await folder?.close();
  }
}
