// What earlier applies found out about this host and need not be found out again: binaries, KVM, digests of files.
// A cache: it is believed only where it still fits, and losing it costs a moment.
import { join } from 'node:path';
import { ensurePrivateFolder, readTextIfThere, writeFileUnlocked } from '../host/files.ts';
import type { Home } from './home.ts';

function knownPath(home: Home): string {
  return join(home.state, 'known.json');
}

/** The members that an earlier apply wrote; empty when there are none or they are unreadable. */
export async function readKnown(home: Home): Promise<Readonly<Record<string, unknown>>> {
  const text = await readTextIfThere(knownPath(home)).catch(() => undefined);
  if (text === undefined) return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    // Half a cache is no cache.
    return {};
  }
}

/** Replaces what is known. */
export async function writeKnown(home: Home, known: Readonly<Record<string, unknown>>): Promise<void> {
  await ensurePrivateFolder(home.state);
  await writeFileUnlocked(knownPath(home), JSON.stringify(known));
}
