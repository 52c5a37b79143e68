// The lease of a sandbox: one decimal wall-clock second in a file that the holder reads.
import { join } from 'node:path';
import { SbxError } from '../core/errors.ts';
import type { ProcessRef } from '../core/state/facts.ts';

/** Writes the end of the lease (`ms` since the epoch; null for none) and wakes the holder, so that it looks at once. */
export async function writeLease(runDir: string, expiresAtMs: number | null, holder?: ProcessRef): Promise<void> {
  throw new SbxError('SBX9001', `not yet: ${join(runDir, 'lease')} ${expiresAtMs} ${holder?.pid}`);
}
