// A disk of a few hundred kilobytes for one test, that can be filled and made read-only. Needs root.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';

/** Why no disk can be mounted here, or undefined. */
export const noMount: string | undefined = process.getuid?.() === 0 ? undefined : 'only root may mount a small disk';

export interface SmallDisk {
  readonly folder: string;
  /** Takes all room that is left */
  fill(): void;
  /** Gives it back */
  free(): void;
  readOnly(): void;
}

/** Mounts a tmpfs; it goes with the test. */
export function smallDisk(t: Test, kilobytes: number): SmallDisk {
  const folder = mkdtempSync('/tmp/sbx-');
  mount(['-t', 'tmpfs', '-o', `size=${kilobytes}k,mode=0700`, 'tmpfs', folder]);
  t.teardown(() => {
    spawnSync('umount', ['-l', folder]);
    rmdirSync(folder);
  });
  const filler = join(folder, '.filler');
  return {
    folder,
    fill() {
      for (let size = kilobytes * 1024; size >= 1; size = Math.floor(size / 2)) {
        try {
          writeFileSync(filler, Buffer.alloc(size), { flag: 'a' });
        } catch {
          // Full at this size; smaller pieces may still fit.
        }
      }
    },
    free: () => rmSync(filler),
    readOnly: () => mount(['-o', 'remount,ro', folder]),
  };
}

function mount(args: readonly string[]): void {
  const { status, stderr } = spawnSync('mount', args, { encoding: 'utf8' });
  if (status !== 0) throw new TypeError(`mount ${args.join(' ')}: ${stderr}`);
}
