// Which processes can be told from here: pids mean something in one pid namespace only, and /proc may hide them.
import { readlinkSync } from 'node:fs';
import { errnoOf } from '../core/errors.ts';

let cached: string | null | undefined;

/**
 * Inode of the pid namespace that this process and its /proc are in; undefined where /proc shows another one, so that no pid
 * of ours can be looked up in it.
 */
export function pidNamespace(): string | undefined {
  cached ??= readPidNamespace() ?? null;
  return cached ?? undefined;
}

function readPidNamespace(): string | undefined {
  try {
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    return /\[(\d+)\]/.exec(readlinkSync('/proc/self/ns/pid'))?.[1];
  } catch {
    // No /proc at all.
    return undefined;
  }
}

/** Whether a process of ours has this pid here, whatever /proc shows: one of another user is not ours to count. */
export function mayBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ESRCH' || errnoOf(error) === 'EPERM') return false;
    throw error;
  }
}
