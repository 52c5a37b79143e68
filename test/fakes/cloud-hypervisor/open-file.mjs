// Files that a real VMM keeps open. The fake opens them for each write, or thousands of VMMs would need too many descriptors.
import { appendFileSync } from 'node:fs';

/** Appends as to an open file: one whose folder was removed meanwhile takes the text, and nobody ever reads it. */
export function appendOpen(path, text) {
  try {
    appendFileSync(path, text);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}
