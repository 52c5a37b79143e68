// Saved plans: what `plan -o` writes and `apply PLANFILE` takes. Sealed with the key of the home.
import type { Checked } from '../core/checked.ts';
import { bug } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { Home } from './home.ts';

/** A plan with all that is needed to load the same file again and see that nothing moved. */
export interface SavedPlan {
  readonly format_version: 1;
  readonly plan: Plan;
  /** Digest of everything that the file and the files it names say */
  readonly fileDigest: string;
  /** Values of variables that were given; never sensitive ones */
  readonly vars: Readonly<Record<string, Json>>;
  /** Absolute paths of the files given with -f, or of the one that was found */
  readonly files: readonly string[];
  /** Value of --vmm */
  readonly vmm?: 'auto' | 'cloud-hypervisor' | 'qemu';
  /** `Snapshot.stamp` that the plan was made from */
  readonly stamp: string;
}

/** Writes a plan file, mode 0600, sealed with the key of the home, which is made when there is none. */
export async function writePlanFile(path: string, saved: SavedPlan, home: Home): Promise<void> {
  return bug(`${path} ${saved.fileDigest} ${home.state}`);
}

/** Reads a plan file: SBX4020 unreadable, SBX4021 changed, SBX4022 from another home, SBX4023 from a newer sbx. */
export async function readPlanFile(path: string, home: Home): Promise<Checked<SavedPlan>> {
  return bug(`${path} ${home.state}`);
}
