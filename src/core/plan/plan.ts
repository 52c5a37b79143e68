// The plan: plain data, complete. Apply runs its steps and decides nothing that is not in it.
import type { Address } from '../address.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Json } from '../json.ts';
import type { Capabilities } from './capabilities.ts';
import type { Step } from './steps.ts';

/** What an update costs, from nothing to everything. */
export const impacts = ['live', 'next-boot', 'restart', 'replace'] as const;
export type Impact = (typeof impacts)[number];

/** A value in a plan. Sensitive ones are never shown, only whether they change. */
export type PlanValue = { readonly value: Json } | { readonly sensitive: true } | { readonly absent: true };

/** One changed field of a resource. */
export interface FieldChange {
  /** Path in the words of the file: `memory.size`, `disks.data` */
  readonly field: string;
  readonly from: PlanValue;
  readonly to: PlanValue;
  readonly impact: Impact;
  /** Why it costs that, in words for users */
  readonly reason: string;
  /** How it is carried out, where that is less than what it costs: a disk is unplugged live, and its content is lost */
  readonly through?: Through;
  /** How to show the value */
  readonly unit?: 'bytes' | 'ms';
}

export type Through = Exclude<Impact, 'replace'>;

/** A disk that a change removes with all that is on it. */
export interface LostDisk {
  /** Its name in its VM, or the address of the volume */
  readonly name: string;
  /** In `bytes`; null for a disk of its image's size */
  readonly sizeBytes: number | null;
}

/** What a change costs beyond its impact. */
export interface Price {
  /** Expected downtime in `ms`; 0 for none */
  readonly downtimeMs: number;
  /** Disks whose content goes */
  readonly lostDisks: readonly LostDisk[];
  /** Other resources that notice */
  readonly touches: readonly Address[];
}

interface ChangeCommon {
  readonly address: Address;
  /** Ids of the steps in `Plan.steps` that carry it out */
  readonly steps: readonly string[];
  readonly price: Price;
}

export type Change =
  | (ChangeCommon & {
      readonly action: 'create';
      readonly fields: readonly FieldChange[];
      readonly resumes: boolean;
      /** What it costs to clear away what an earlier apply left; absent where that is nothing */
      readonly impact?: Impact;
    })
  | (ChangeCommon & {
      readonly action: 'update';
      readonly fields: readonly FieldChange[];
      /** What it costs: whatever ends a guest is a restart at least, whatever loses data is as dear as a replacement */
      readonly impact: Impact;
      /** How it is carried out, where that is less than what it costs */
      readonly through?: Through;
      readonly because?: string;
    })
  | (ChangeCommon & { readonly action: 'replace'; readonly fields: readonly FieldChange[]; readonly because?: string })
  | (ChangeCommon & { readonly action: 'delete'; readonly because: string })
  | (ChangeCommon & { readonly action: 'forget'; readonly because: string });

/** Something that changed outside sbx since the last apply. */
export interface Drift {
  readonly address: Address;
  readonly field: string;
  readonly recorded: PlanValue;
  readonly observed: PlanValue;
  /** What apply would do about it */
  readonly remedy: string;
  readonly unit?: 'bytes' | 'ms';
}

/** Why a driver was taken, or not. */
export interface DriverChoice {
  readonly chosen: Capabilities;
  /** Why it may not be able to start a VM now, though it was kept; `certain` when it surely cannot */
  readonly unsure?: { readonly reason: string; readonly certain: boolean };
  readonly others: readonly { readonly driver: string; readonly reason: string }[];
}

export interface Plan {
  readonly format_version: 1;
  readonly sandbox: { readonly name: string; readonly instance?: string };
  /** State that it was made from; absent when there is none yet */
  readonly prior?: { readonly lineage: string; readonly serial: number };
  readonly mode: 'apply' | 'destroy';
  readonly driver?: DriverChoice;
  /** In order of the file, removals last; no-ops are only counted */
  readonly changes: readonly Change[];
  readonly drift: readonly Drift[];
  readonly unchanged: number;
  readonly steps: readonly Step[];
  /** Changes of outputs; values that are sensitive are hidden */
  readonly outputs: readonly { readonly name: string; readonly from: PlanValue; readonly to: PlanValue }[];
  /** Highest impact of all changes; `live` for creations */
  readonly impact: Impact | null;
  readonly warnings: readonly Diagnostic[];
}

/** Whether apply would do nothing at all. */
export function isEmptyPlan(plan: Plan): boolean {
  return plan.changes.length === 0 && plan.outputs.length === 0;
}
