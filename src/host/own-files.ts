// Places of a sandbox that are ours alone: whatever else lies where a file or a folder of ours belongs makes way for it.
import { lstatSync, mkdirSync, rmSync, type Stats, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { writeFileAtomic } from './files.ts';

/** Makes a folder of a sandbox, mode 0700, in place of anything that is none. A link to a folder stays: it may lead to another disk. */
export function ensureOwnFolder(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  rmSync(path, { force: true });
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** Removes what lies in a place of ours, be it a file, a folder or nothing. */
export async function clearPlace(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    // Where its folder should be there is a file: it is not there.
    if (errnoOf(error) !== 'ENOTDIR') throw error;
  });
}

/**
 * Sees to it that a path can be opened as a plain file: makes its folder, and removes what is no file. A FIFO would hold up
 * whoever opens it, a link would lead elsewhere. A device is never ours: /dev/null stays what it is.
 */
export function makeWayForFile(path: string): void {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there === undefined) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  else if (!there.isFile() && !isDevice(there)) rmSync(path, { recursive: true, force: true });
}

function isDevice(there: Stats): boolean {
  return there.isCharacterDevice() || there.isBlockDevice();
}

/** Replaces a file of a sandbox, or what lies in its place. */
export async function writeOwnFile(path: string, content: string): Promise<void> {
  makeWayForFile(path);
  await writeFileAtomic(path, content);
}
