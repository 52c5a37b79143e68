// Names in folders of the home, and which of them a process that is gone was writing.
import { readdir } from 'node:fs/promises';
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

/** Whether a name is that of a file that was never renamed to what it was to be, by a process that is gone. */
export function isAbandoned(name: string): boolean {
  const pid = /^\.(\d+)-[a-z0-9]+-[a-z0-9]+\.tmp$/.exec(name)?.[1] ?? /^key\.(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
  return pid !== undefined && readStat(Number(pid)) === undefined;
}
