// What the host has: processors, memory, disk, listeners, programs. Files only, no processes.
import { readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, freemem } from 'node:os';
import { dirname } from 'node:path';
import { errnoOf } from '../core/errors.ts';
import type { HostFacts } from '../core/observed.ts';
import { readListeners } from './listeners.ts';
import { findProgram } from './programs.ts';

type Program = HostFacts['missing'][number];

export interface HostFactsOptions {
  /** Home of sbx, for the free disk space of its file system; it or one of its parents exists */
  readonly home: string;
  /** Programs to look for on PATH; default `networkPrograms` */
  readonly programs?: readonly Program[];
  /** Whether to read who listens, which costs some 8 ms of the kernel's time on a machine with much memory; `skip` gives none */
  readonly listeners?: 'read' | 'skip';
}

/** What a sandbox with a namespace of its own needs, with the packages of Debian and Ubuntu. */
export const networkPrograms: readonly Program[] = [
  { program: 'unshare', package: 'util-linux', why: 'makes the namespace of a sandbox' },
  { program: 'nsenter', package: 'util-linux', why: 'enters the namespace of a sandbox' },
  { program: 'ip', package: 'iproute2', why: 'makes bridges and taps' },
  { program: 'nft', package: 'nftables', why: 'loads the packet filter of a sandbox' },
  { program: 'slirp4netns', package: 'slirp4netns', why: 'is the way out of networks of mode nat' },
];

/** The facts that only need files; connectivity and reservations are the caller's to add. */
export function readHostFacts(
  options: HostFactsOptions,
): Pick<HostFacts, 'cpus' | 'memoryAvailableBytes' | 'diskAvailableBytes' | 'missing' | 'listeners'> {
  const { home, programs = networkPrograms, listeners = 'read' } = options;
  return {
    cpus: availableParallelism(),
    memoryAvailableBytes: memoryAvailable(),
    diskAvailableBytes: diskAvailable(home),
    missing: programs.filter(({ program }) => findProgram(program) === undefined),
    listeners: listeners === 'read' ? readListeners() : new Set(),
  };
}

/** MemAvailable of /proc/meminfo: what can be had without swapping, page cache included. */
function memoryAvailable(): number {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

/** Free bytes for this user where a folder is, or would be made. */
function diskAvailable(path: string): number {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '') || dirname(path) === path) throw error;
    return diskAvailable(dirname(path));
  }
}
