// Settings that all property tests share: how many cases, from which seed, and where they cannot run.
import { spawnSync } from 'node:child_process';

/** Whether the long forms are asked for: SBX_SOAK=1. */
export const soak: boolean = process.env['SBX_SOAK'] === '1';

/** The seed of every push: the same cases each time, so that no push fails by chance. The long forms take fresh ones. */
const pushSeed = 20261128;

/**
 * fast-check's settings; SBX_SEED and SBX_RUNS override. What was found is made smaller until ten minutes are over, so that it is
 * told before the test runner ends the file.
 */
export function propertyOptions(runs: { readonly few: number; readonly many: number }): {
  readonly seed: number;
  readonly numRuns: number;
  readonly interruptAfterTimeLimit: number;
  readonly markInterruptAsFailure: true;
  readonly endOnFailure: boolean;
} {
  const seed = Number(process.env['SBX_SEED'] ?? (soak ? Date.now() % 2 ** 31 : pushSeed));
  const numRuns = Number(process.env['SBX_RUNS'] ?? (soak ? runs.many : runs.few));
  const limitMs = soak ? 20 * 3600_000 : 10 * 60_000;
  return {
    seed,
    numRuns,
    interruptAfterTimeLimit: limitMs,
    markInterruptAsFailure: true,
    endOnFailure: process.env['SBX_NO_SHRINK'] === '1',
  };
}

/** Why sandboxes with namespaces of their own cannot be made here; false when they can. */
export function cannotOpenSpaces(): string | false {
  for (const program of ['unshare', 'nsenter', 'ip', 'slirp4netns', 'nft', 'perl']) {
    if (spawnSync('/bin/sh', ['-c', `PATH=$PATH:/usr/sbin:/sbin command -v ${program}`]).status !== 0)
      return `needs ${program}`;
  }
  const flags = process.getuid?.() === 0 ? ['-n'] : ['-U', '-r', '-n'];
  return spawnSync('unshare', [...flags, 'true']).status === 0 ? false : 'needs network namespaces';
}
