// Reads one file that a user named, whatever it turns out to be: no waiting for a pipe, no device, no end of memory.
// Synchronously: there is nothing else to do meanwhile, and the thread pool takes longer to start than the file to read.
import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { describeError, errnoOf } from '../core/errors.ts';

const maxHashedBytes = 1024 * 1024 * 1024;
const chunkBytes = 256 * 1024;

/** UTF-8 text of a regular file of at most `maxBytes`; `shown` names it in messages. SBX1001, SBX1003, SBX1005. */
export function readRegularFile(path: string, shown: string, maxBytes: number): Checked<string> {
  return withRegularFile(path, shown, maxBytes, (file) => {
    const bytes = Buffer.concat([...chunksOf(file, maxBytes)]);
    try {
      return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return failed(diagnostic('SBX1005', { detail: `${shown} is not text in UTF-8.` }));
    }
  });
}

/** Hex SHA-256 of a regular file of at most 1 GiB. */
export function sha256OfFile(path: string, shown: string): Checked<string> {
  return withRegularFile(path, shown, maxHashedBytes, (file) => {
    const hash = createHash('sha256');
    for (const chunk of chunksOf(file, maxHashedBytes)) hash.update(chunk);
    return ok(hash.digest('hex'));
  });
}

function withRegularFile<T>(
  path: string,
  shown: string,
  maxBytes: number,
  use: (file: number) => Checked<T>,
): Checked<T> {
  let file: number | undefined;
  try {
    // A pipe without a writer would block an ordinary open for ever
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const facts = fstatSync(file);
    if (!facts.isFile()) {
      const kind = facts.isDirectory() ? 'a folder' : facts.isFIFO() ? 'a pipe' : 'a device or socket';
      return failed(diagnostic('SBX1001', { detail: `${shown} is ${kind}, not a file.` }));
    }
    if (facts.size > maxBytes)
      return failed(
        diagnostic('SBX1003', { detail: `${shown} has ${facts.size} bytes; at most ${maxBytes} are read.` }),
      );
    return use(file);
  } catch (error) {
    return failed(diagnostic('SBX1001', { detail: `${shown}: ${wordsFor(error)}.` }));
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function* chunksOf(file: number, maxBytes: number): Generator<Buffer> {
  // The file may grow while it is read
  for (let left = maxBytes; left > 0; ) {
    const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, left));
    const bytesRead = readSync(file, buffer);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    left -= bytesRead;
  }
}

function wordsFor(error: unknown): string {
  switch (errnoOf(error)) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'this user may not read it';
    case 'ELOOP':
      return 'its links lead in a circle';
    default:
      return describeError(error);
  }
}
