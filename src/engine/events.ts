// What the engine tells while it works. Views subscribe; the engine never prints.
import type { Address } from '../core/address.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import type { AddressOutcome, ApplyResult } from '../core/plan/outcome.ts';
import type { Change, Plan } from '../core/plan/plan.ts';
import type { StepOp } from '../core/plan/steps.ts';

export type EngineEvent =
  | { readonly type: 'apply-started'; readonly plan: Plan }
  | { readonly type: 'step-started'; readonly step: string; readonly address: Address; readonly op: StepOp }
  /** Longer steps say what they are at: `package 3 of 14` */
  | { readonly type: 'step-progress'; readonly step: string; readonly address: Address; readonly text: string }
  | {
      readonly type: 'step-done';
      readonly step: string;
      readonly address: Address;
      readonly op: StepOp;
      readonly elapsedMs: number;
    }
  | {
      readonly type: 'step-failed';
      readonly step: string;
      readonly address: Address;
      readonly op: StepOp;
      readonly elapsedMs: number;
      readonly diagnostic: Diagnostic;
    }
  /** Not run, since something it needs failed or the apply was interrupted */
  | {
      readonly type: 'step-skipped';
      readonly step: string;
      readonly address: Address;
      readonly op: StepOp;
      readonly because: string;
    }
  | {
      readonly type: 'change-done';
      readonly address: Address;
      readonly action: Change['action'];
      readonly elapsedMs: number;
    }
  | { readonly type: 'interrupted'; readonly signal: string }
  /** What was done is undone from here on, as far as it can be */
  | { readonly type: 'rollback-started'; readonly addresses: readonly Address[] }
  /** An address is as it was before this apply */
  | { readonly type: 'change-undone'; readonly address: Address }
  | { readonly type: 'apply-ended'; readonly result: ApplyResult };

export type { AddressOutcome, ApplyResult };

export type Emit = (event: EngineEvent) => void;
