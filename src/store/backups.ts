// Backups of a state file: the last few versions, named by their serial. Clocks play no part.
import { copyFile, link, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import { ensurePrivateFolder, syncFolder } from '../host/files.ts';
import type { SandboxLayout } from './home.ts';

/** How many are kept. */
export const backupsKept = 5;

/** Keeps the state file that is there as the backup of `serial`; durable at return. No state file is no error. */
export async function keepBackup(layout: SandboxLayout, serial: number): Promise<void> {
  await ensurePrivateFolder(layout.backupsDir);
  const temporary = join(layout.backupsDir, '.tmp');
  try {
    await rm(temporary, { force: true });
    if (!(await copyOrLink(layout.statePath, temporary))) return;
    await rename(temporary, join(layout.backupsDir, `${serial}.json`));
  } finally {
    // Renaming one name of a file over another one of the same file does nothing.
    await rm(temporary, { force: true });
  }
  await syncFolder(layout.backupsDir);
}

/** Removes all but the newest few up to `serial`. Those above it were written before an older state was put back. */
export async function pruneBackups(layout: SandboxLayout, serial: number): Promise<void> {
  const upTo = (await serialsOf(layout)).filter((one) => one <= serial);
  for (const old of upTo.slice(backupsKept)) await rm(join(layout.backupsDir, `${old}.json`), { force: true });
}

/** Paths of the backups, newest first. */
export async function listBackups(layout: SandboxLayout): Promise<readonly string[]> {
  return (await serialsOf(layout)).map((serial) => join(layout.backupsDir, `${serial}.json`));
}

async function serialsOf(layout: SandboxLayout): Promise<number[]> {
  const names = await readdir(layout.backupsDir).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  });
  const serials = names.flatMap((name) => /^(\d+)\.json$/.exec(name)?.[1] ?? []).map(Number);
  return serials.sort((a, b) => b - a);
}

/** A state file is only ever replaced, never changed in place: a second name for it is a copy that costs nothing. */
async function copyOrLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    // Some file systems have no hard links.
    await copyFile(from, to);
  }
  return true;
}
