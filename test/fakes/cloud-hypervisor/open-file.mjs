// Files that a real VMM keeps open. The fake opens them for each write, or thousands of VMMs would need too many descriptors.
import { closeSync, constants, openSync, writeSync } from 'node:fs';

/** Appends as to an open file: one that was removed meanwhile is not made again, and what is written to it nobody reads. */
export function appendOpen(path, text) {
  let file;
  try {
    file = openSync(path, constants.O_WRONLY | constants.O_APPEND);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  try {
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}
