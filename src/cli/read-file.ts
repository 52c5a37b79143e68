// Reads one file that a user named, whatever it turns out to be: no waiting for a pipe, no device, no end of memory.
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { describeError, errnoOf } from '../core/errors.ts';

const maxHashedBytes = 1024 * 1024 * 1024;
const chunkBytes = 1024 * 1024;

/** UTF-8 text of a regular file of at most `maxBytes`; `shown` names it in messages. SBX1001, SBX1003, SBX1005. */
export async function readRegularFile(path: string, shown: string, maxBytes: number): Promise<Checked<string>> {
  return await withRegularFile(path, shown, maxBytes, async (file) => {
    const chunks: Buffer[] = [];
    for await (const chunk of chunksOf(file, maxBytes)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    try {
      return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    } catch {
      return failed(diagnostic('SBX1005', { detail: `${shown} is not text in UTF-8.` }));
    }
  });
}

/** Hex SHA-256 of a regular file of at most 1 GiB. */
export async function sha256OfFile(path: string, shown: string): Promise<Checked<string>> {
  return await withRegularFile(path, shown, maxHashedBytes, async (file) => {
    const hash = createHash('sha256');
    for await (const chunk of chunksOf(file, maxHashedBytes)) hash.update(chunk);
    return ok(hash.digest('hex'));
  });
}

async function withRegularFile<T>(
  path: string,
  shown: string,
  maxBytes: number,
  use: (file: FileHandle) => Promise<Checked<T>>,
): Promise<Checked<T>> {
  let file: FileHandle | undefined;
  try {
    // A pipe without a writer would block an ordinary open for ever
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    const facts = await file.stat();
    if (!facts.isFile()) {
      const kind = facts.isDirectory() ? 'a folder' : facts.isFIFO() ? 'a pipe' : 'a device or socket';
      return failed(diagnostic('SBX1001', { detail: `${shown} is ${kind}, not a file.` }));
    }
    if (facts.size > maxBytes)
      return failed(
        diagnostic('SBX1003', { detail: `${shown} has ${facts.size} bytes; at most ${maxBytes} are read.` }),
      );
    return await use(file);
  } catch (error) {
    return failed(diagnostic('SBX1001', { detail: `${shown}: ${wordsFor(error)}.` }));
  } finally {
    await file?.close();
  }
}

async function* chunksOf(file: FileHandle, maxBytes: number): AsyncGenerator<Buffer> {
  // The file may grow while it is read
  for (let left = maxBytes; left > 0; ) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(chunkBytes, left)));
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
