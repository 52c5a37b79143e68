// The end of a log file, and what is added to it.
import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, SbxError } from '../core/errors.ts';
import { startOfText } from '../host/log-end.ts';

const chunkBytes = 64 * 1024;

export interface FollowOptions {
  /** Last lines to begin with; absent means all */
  readonly lines?: number;
  readonly follow: boolean;
  /** Resolves when the chunk is out; with false when nothing can be written any more, which ends it */
  readonly write: (chunk: Uint8Array) => Promise<boolean>;
  readonly signal: AbortSignal;
}

/** Writes the last lines of a file and, while `follow`, what comes after. Throws SBX8012 when there is no log yet. */
export async function followLog(path: string, options: FollowOptions): Promise<void> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'r').catch((cause: unknown) => {
      if (errnoOf(cause) === 'ENOENT') throw new SbxError('SBX8012', `there is no log at ${path} yet`);
      throw cause;
    });
    let at = await copy(file, await startOf(file, options.lines), options.write);
    while (at !== undefined && options.follow && !options.signal.aborted) {
      await delay(200, undefined, { signal: options.signal }).catch(() => undefined);
      // A log that was cut begins anew.
      if ((await file.stat()).size < at) at = 0;
      at = await copy(file, at, options.write);
    }
  } finally {
    await file?.close();
  }
}

/** Copies to the end and gives the offset there; undefined when nothing can be written any more. */
async function copy(file: FileHandle, from: number, write: FollowOptions['write']): Promise<number | undefined> {
  let at = from;
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, at);
    if (bytesRead === 0) return at;
    if (!(await write(buffer.subarray(0, bytesRead)))) return undefined;
    at += bytesRead;
  }
}

/** Offset of the first of the last `lines` lines, found from the end. */
async function startOf(file: FileHandle, lines: number | undefined): Promise<number> {
  const { size } = await file.stat();
  if (lines === 0) return size;
  const first = await firstWholeLine(file);
  let left = lines ?? Number.POSITIVE_INFINITY;
  for (let end = size; lines !== undefined && end > first; ) {
    const start = Math.max(first, end - chunkBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(end - start), 0, end - start, start);
    for (let at = bytesRead - 1; at >= 0; at -= 1) {
      const isLast = start + at === size - 1;
      if (buffer[at] !== 0x0a || isLast) continue;
      left -= 1;
      if (left === 0) return start + at + 1;
    }
    end = start;
  }
  return first;
}

/** Offset of the first line that is there whole: of a long log the older part is a hole. */
async function firstWholeLine(file: FileHandle): Promise<number> {
  const start = await startOfText(file);
  if (start === 0) return 0;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, start);
  return start + buffer.subarray(0, bytesRead).indexOf(0x0a) + 1;
}
