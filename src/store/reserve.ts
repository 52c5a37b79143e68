// Room that a sandbox keeps for its own removal: a file that is cut, piece by piece, when the disk is full while one is recorded.
import { open, rm, stat, truncate } from 'node:fs/promises';
import { errnoOf } from '../core/errors.ts';
import type { SandboxLayout } from './home.ts';

const leastBytes = 64 * 1024;
const pieceBytes = 16 * 1024;

/** Whether a write failed because there is no room. */
export function isFull(error: unknown): boolean {
  const errno = errnoOf(error) ?? (error instanceof Error ? errnoOf(error.cause) : undefined);
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

/** Makes the reserve as large as the journal of a removal and a state may become; never smaller than it is. Throws what the disk says. */
export async function keepReserve(layout: SandboxLayout, stateBytes = 0): Promise<void> {
  const wanted = leastBytes + 2 * stateBytes;
  const there = await sizeOf(layout.reservePath);
  if (there >= wanted) return;
  const file = await open(layout.reservePath, 'a', 0o600);
  try {
    // Written, not only made long: a hole reserves nothing. Not zeros, which some file systems keep as a hole.
    await file.appendFile(Buffer.alloc(wanted - there, 'r'));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Does work that writes; where the disk is full, again with more and more of the reserve given back, until nothing of it is left. */
export async function withReserve<T>(layout: SandboxLayout, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isFull(error) || !(await giveRoom(layout))) throw error;
    }
  }
}

/** Removes the reserve of a sandbox that is gone. */
export async function dropReserve(layout: SandboxLayout): Promise<void> {
  await rm(layout.reservePath, { recursive: true, force: true });
}

/** Cuts a piece off; false when there was nothing. */
async function giveRoom(layout: SandboxLayout): Promise<boolean> {
  const there = await sizeOf(layout.reservePath);
  if (there === 0) return false;
  await truncate(layout.reservePath, Math.max(0, there - pieceBytes));
  return true;
}

async function sizeOf(path: string): Promise<number> {
  try {
    const found = await stat(path);
    return found.isFile() ? found.size : 0;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
