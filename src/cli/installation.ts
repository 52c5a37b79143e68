// Where the parts of sbx lie that are files of their own: beside the program, or in the source tree.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Absolute paths of what ships with sbx. */
export interface Installation {
  /** What `node` is started with to run sbx again */
  readonly program: string;
  readonly holderScript: string;
  readonly connectProbe: string;
  /** What a test guest runs that shows whether KVM works */
  readonly kvmFirmware: string;
  readonly recipesDir: string;
}

/** Paths for a program that was started as `argv[1]` of its process. */
export function installationOf(program: string): Installation {
  const folder = dirname(program);
  const root = existsSync(join(folder, 'images')) ? folder : dirname(folder);
  return {
    program,
    holderScript: join(folder, 'holder.sh'),
    connectProbe: join(folder, 'connect-probe.cjs'),
    kvmFirmware: join(folder, 'kvm-firmware.bin'),
    recipesDir: join(root, 'images'),
  };
}
