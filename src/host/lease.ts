// The lease of a sandbox: one decimal wall-clock second in a file that the holder reads.
import { join } from 'node:path';
import type { ProcessRef } from '../core/state/facts.ts';
import { readTextIfThere, writeFileAtomic } from './files.ts';
import { signalProcess } from './processes.ts';

/** Writes the end of the lease (`ms` since the epoch; null for none) and wakes the holder, so that it looks at once. */
export async function writeLease(runDir: string, expiresAtMs: number | null, holder?: ProcessRef): Promise<void> {
  const text = expiresAtMs === null ? '' : String(Math.ceil(expiresAtMs / 1000));
  await writeFileAtomic(leasePath(runDir), `${text}\n`);
  // Without a handler SIGCONT does nothing, so a holder that has only just started is not ended by it.
  if (holder !== undefined) signalProcess(holder, 'SIGCONT');
}

/** End of the lease in `ms` since the epoch as the holder sees it, or undefined when there is none. */
export async function readLease(runDir: string): Promise<number | undefined> {
  const text = (await readTextIfThere(leasePath(runDir)))?.trim() ?? '';
  return /^\d{1,12}$/.test(text) ? Number(text) * 1000 : undefined;
}

/** The file that holder.sh watches. */
export function leasePath(runDir: string): string {
  return join(runDir, 'lease');
}
