// The lock of a sandbox: an OS lock on an open file, which dies with its process and is not inherited by children.
import type { Checked } from '../core/checked.ts';
import { bug } from '../core/errors.ts';

/** Who holds a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly user: string;
  /** Words of the command line, as people typed it */
  readonly command: string;
  /** Wall clock in `ms` since the epoch */
  readonly sinceMs: number;
}

export interface Lock {
  /** Gives the lock up. Safe to repeat */
  release(): Promise<void>;
}

export interface LockRequest {
  /** How long to wait for another holder in `ms`; 0 tries once */
  readonly timeoutMs: number;
  readonly owner: Pick<LockOwner, 'user' | 'command'>;
  readonly signal?: AbortSignal;
  /** Called once, when somebody else holds it */
  readonly onWait?: (owner: LockOwner | undefined) => void;
}

/**
 * Takes the lock, waiting up to `timeoutMs`; SBX4001 names the holder. Makes the file and its folder.
 * Throws the signal's reason when aborted, SBX4008 when the home cannot be written, SBX6001 without flock(1).
 */
export async function acquireLock(path: string, request: LockRequest): Promise<Checked<Lock>> {
  return bug(`${path} ${request.timeoutMs}`);
}

/** Who holds the lock now, or undefined when nobody does. Takes and writes nothing. */
export async function readLockOwner(path: string): Promise<LockOwner | undefined> {
  return bug(path);
}
