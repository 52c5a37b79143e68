// The end of a log. A log may be longer than memory: the watcher of a sandbox turns all but its last megabytes into a hole.
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { errnoOf } from '../core/errors.ts';

/** Block of `stat`, in `bytes` (stat(2): st_blocks). */
const statBlockBytes = 512;

/** The last bytes of a log as text, at most so many and none before `from`; nothing when there is no log. A cut character is left out. */
export async function readLogEnd(path: string, maxBytes: number, from = 0): Promise<string> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(Math.max(0, size - from), maxBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    return buffer.toString('utf8', 0, bytesRead).replace(/^[\0\ufffd]+/, '');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  } finally {
    await file?.close();
  }
}

/** Length of a log in `bytes`: what comes later belongs to the process that is about to start. None yet is 0. */
export async function logLength(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Keeps the log of the start before beside the one that a new start writes, as `….1`. */
export async function keepFormerLog(path: string): Promise<void> {
  try {
    await rename(path, `${path}.1`);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

/** The last line of a log, without its end; empty when there is none. */
export async function lastLineOf(path: string): Promise<string> {
  return (await readLogEnd(path, 4096)).trimEnd().split('\n').at(-1) ?? '';
}

/** Where the text of a log begins, in `bytes`: not before the hole that the watcher made of its older part. */
export async function startOfText(file: FileHandle): Promise<number> {
  const { size, blocks } = await file.stat();
  return Math.max(0, size - blocks * statBlockBytes);
}
