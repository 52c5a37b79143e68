// Recorded facts per kind: what only the host could tell when a step was done.
import type { Address } from '../address.ts';

/** A process that is known for sure: the pid alone is reused, the three together are not. */
export interface ProcessRef {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat, in clock ticks since boot */
  readonly startTime: string;
  /** /proc/sys/kernel/random/boot_id of the host when it was started */
  readonly bootId: string;
  /** Inode of the pid namespace in which it has this pid; absent in records of before, which count as of this one */
  readonly pidns?: string;
}

export interface SandboxFacts {
  /** The watcher outside: acts on the lease */
  readonly holder?: ProcessRef;
  /** The process that keeps the namespaces */
  readonly keeper?: ProcessRef;
  /** Whether the network namespace lies in a user namespace of its own */
  readonly userns?: boolean;
  /** Inode of the network namespace */
  readonly netns?: string;
  readonly uplink?: ProcessRef;
  /** Wall clock of the lease's end in `ms` since the epoch; absent without a lease */
  readonly expiresAtMs?: number;
}

export interface ImageFacts {
  /** Cache key: the folder's name in the image cache; absent for files of one's own */
  readonly cacheKey?: string;
}

export interface VolumeFacts {
  /** Absolute path of the raw file */
  readonly path?: string;
}

export interface NetworkFacts {
  /** Bridge name inside the namespace */
  readonly bridge?: string;
}

export interface VmFacts {
  readonly process?: ProcessRef;
  /** Version of the VMM that runs it, as the driver reports it */
  readonly vmmVersion?: string;
  /** Wall clock of the last start in `ms` since the epoch */
  readonly startedAtMs?: number;
  /** Memory it was started with in `bytes`; live shrinking ends there */
  readonly bootMemoryBytes?: number;
  /** What changed, or was about to, and by `replace_triggered_by` asks for a replacement that is not done yet */
  readonly owes?: readonly Address[];
}
