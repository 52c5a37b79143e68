// The lease of a sandbox: one decimal wall-clock second in a file that the holder reads.
import { lstat, open } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { LeaseObservation } from '../core/observed.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import { writeOwnFile } from './own-files.ts';
import { signalProcess } from './processes.ts';

/** More than any lease has: a file of this length is not read. */
const lengthMax = 64;

/** Writes the end of the lease (`ms` since the epoch; null for none) and wakes the holder, so that it looks at once. */
export async function writeLease(runDir: string, expiresAtMs: number | null, holder?: ProcessRef): Promise<void> {
  const text = expiresAtMs === null ? '' : String(Math.ceil(expiresAtMs / 1000));
  await writeOwnFile(leasePath(runDir), `${text}\n`);
  // Without a handler SIGCONT does nothing, so a holder that has only just started is not ended by it.
  if (holder !== undefined) signalProcess(holder, 'SIGCONT');
}

/** What the holder sees; the same rules as `remaining` in holder.sh. Never waits, whatever lies there. */
export async function seeLease(runDir: string): Promise<LeaseObservation> {
  const path = leasePath(runDir);
  try {
    // A FIFO would be waited for.
    if (!(await lstat(path)).isFile()) return 'damaged';
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(lengthMax), 0, lengthMax, 0);
      const text = buffer.toString('latin1', 0, bytesRead);
      if (text === '\n') return 'none';
      const seconds = /^(\d{1,12})\n?$/.exec(text)?.[1];
      return seconds === undefined ? 'damaged' : Number(seconds) * 1000;
    } finally {
      await file.close();
    }
  } catch (error) {
    return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR' ? 'absent' : 'damaged';
  }
}

/** End of the lease in `ms` since the epoch as the holder sees it, or undefined when there is none or it cannot be read. */
export async function readLease(runDir: string): Promise<number | undefined> {
  const seen = await seeLease(runDir);
  return typeof seen === 'number' ? seen : undefined;
}

/** The file that holder.sh watches. */
export function leasePath(runDir: string): string {
  return join(runDir, 'lease');
}
