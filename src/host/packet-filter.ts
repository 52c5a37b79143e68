// The packet filter of a sandbox: one nftables table in its namespace.
import { bug } from '../core/errors.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import type { SpaceRef } from './namespace.ts';

/** Loads the table for `attrs` in one transaction and notes in the run folder what the kernel then shows. */
export async function applyRules(space: SpaceRef, attrs: SandboxAttrs, runDir: string): Promise<void> {
  bug(`not yet ${space.userns} ${attrs.uplink} ${runDir}`);
}
