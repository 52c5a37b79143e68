// Reading a whole file: its digest, and a copy without its holes. Long readings say how far they are and can be stopped.
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { roughBytes } from '../core/render/quantity.ts';
import type { OwnFile } from './own-file.ts';

export interface ReadOptions {
  /** Told in a few words how far a long reading is */
  readonly onProgress?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

const chunkBytes = 2 ** 20;
const holeBytes = 64 * 2 ** 10;
const zeros = Buffer.alloc(holeBytes);
/** A reading that is over sooner is not spoken of, in `ms`; then it is from time to time. */
const firstWordMs = 1000;
const nextWordMs = 2000;

/** Hex SHA-256 of the bytes that the file had when it was opened; also written to `copy`, when there is one, with holes for zeros. */
export async function hashOwnFile(own: OwnFile, options: ReadOptions, copy?: FileHandle): Promise<string> {
  const { file, sizeBytes } = own;
  const hash = createHash('sha256');
  const tell = teller(own, options);
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, sizeBytes));
  let offset = 0;
  while (offset < sizeBytes) {
    options.signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, sizeBytes - offset), offset);
    if (bytesRead === 0) break;
    const bytes = buffer.subarray(0, bytesRead);
    hash.update(bytes);
    if (copy !== undefined) await writeData(copy, bytes, offset);
    offset += bytesRead;
    tell(offset);
  }
  await copy?.truncate(offset);
  return hash.digest('hex');
}

async function writeData(copy: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let at = 0; at < bytes.length; at += holeBytes) {
    const part = bytes.subarray(at, at + holeBytes);
    if (part.equals(zeros.subarray(0, part.length))) continue;
    for (let done = 0; done < part.length; ) {
      const { bytesWritten } = await copy.write(part, done, part.length - done, offset + at + done);
      done += bytesWritten;
    }
  }
}

function teller({ role, sizeBytes }: OwnFile, { onProgress }: ReadOptions): (offset: number) => void {
  let nextMs = performance.now() + firstWordMs;
  return (offset) => {
    const nowMs = performance.now();
    if (onProgress === undefined || nowMs < nextMs) return;
    nextMs = nowMs + nextWordMs;
    onProgress(`reading its ${role}, ${roughBytes(offset)} of ${roughBytes(sizeBytes)}`);
  };
}
