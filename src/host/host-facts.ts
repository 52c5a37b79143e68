// What the host has: processors, memory, disk, listeners, programs. Files only, no processes.
import { bug } from '../core/errors.ts';
import type { HostFacts } from '../core/observed.ts';

export interface HostFactsOptions {
  /** Home of sbx, for the free disk space of its file system; it or one of its parents exists */
  readonly home: string;
  /** Programs to look for on PATH */
  readonly programs?: readonly { readonly program: string; readonly package: string; readonly why: string }[];
}

/** The facts that only need files; connectivity and reservations are the caller's to add. */
export function readHostFacts(
  options: HostFactsOptions,
): Pick<HostFacts, 'cpus' | 'memoryAvailableBytes' | 'diskAvailableBytes' | 'missing' | 'listeners'> {
  return bug(`not yet ${options.home}`);
}
