// Finding programs: on PATH, and where administration tools are that an ordinary user's PATH leaves out.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

const administration = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** Absolute path of a program, or undefined when this user has none of that name. `path` is the PATH to search. */
export function findProgram(name: string, path: string = process.env['PATH'] ?? ''): string | undefined {
  const folders = [...path.split(':'), ...administration];
  return folders
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

/** Absolute path of a program; its bare name when there is none, so that starting it names what is missing. */
export function programPath(name: string): string {
  return findProgram(name) ?? name;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    // Absent or not ours to run: either way it is not the one.
    return false;
  }
}
