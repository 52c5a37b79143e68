// What to plan, as a user asked for it.
import type { Address } from '../address.ts';

/** What to plan. Addresses are canonical. */
export interface PlanRequest {
  readonly mode: 'apply' | 'destroy';
  /** Only these and what they need; empty means everything */
  readonly targets: readonly Address[];
  /** Replaced even when nothing changed */
  readonly replace: readonly Address[];
  /** destroy: volumes marked `protect` too */
  readonly purge: boolean;
  /** Whether apply waits for VMs to be ready */
  readonly wait: boolean;
  /** Take a sandbox over that was applied from another folder */
  readonly takeOver: boolean;
  /** From another revision of the file instead of this host: `git:REF`, or a file */
  readonly against?: string;
  /** A recorded hold: only these VMs are planned, for this alone */
  readonly power?: { readonly to: 'start' | 'stop' | 'restart'; readonly vms: readonly Address[] };
}

/** What follows a step that failed: the rest that does not need it, nothing more, or undoing what was done. */
export const onFailures = ['continue', 'stop', 'rollback'] as const;
export type OnFailure = (typeof onFailures)[number];
