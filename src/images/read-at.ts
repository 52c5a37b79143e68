// Bytes of a file that is open already: whatever its name leads to by now, it is this file that is looked at.
import type { FileHandle } from 'node:fs/promises';

/** Reads `length` bytes at `offset`; fewer where the file ends. */
export type ReadAt = (offset: number, length: number) => Promise<Buffer>;

/** Reads from an open file. */
export function readerOf(file: FileHandle): ReadAt {
  return async (offset, length) => {
    // A place that no file reaches: a header may name any.
    if (!Number.isSafeInteger(offset + length)) return Buffer.alloc(0);
    const buffer = Buffer.alloc(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return buffer.subarray(0, filled);
  };
}

/** Reads from bytes. */
export function readerOver(bytes: Buffer): ReadAt {
  return async (offset, length) =>
    bytes.subarray(Math.min(offset, bytes.length), Math.min(offset + length, bytes.length));
}
