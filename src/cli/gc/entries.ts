// Names in folders of the home, and which of them a process that is gone was writing.
import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { errnoOf } from '../../core/errors.ts';
import { readStat } from '../../host/processes.ts';

/** Names in a folder, sorted; none when there is no such folder. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw error;
  }
}

/** Whether a path is a folder with nothing in it. */
export async function isEmptyFolder(path: string): Promise<boolean> {
  const names = await readdir(path).catch(() => undefined);
  return names?.length === 0;
}

/** How long it takes at most to write such a file, in `ms`: the pid may be one of another pid namespace. */
const writtenWithinMs = 60_000;

/** Whether a file was never renamed to what it was to be, by a process that is gone. */
export function isAbandoned(path: string): boolean {
  const name = basename(path);
  const pid = /^\.(\d+)-[a-z0-9]+-[a-z0-9]+\.tmp$/.exec(name)?.[1] ?? /^key\.(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
  return pid !== undefined && readStat(Number(pid)) === undefined && isOld(path);
}

function isOld(path: string): boolean {
  const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return mtimeMs !== undefined && Date.now() - mtimeMs > writtenWithinMs;
}
