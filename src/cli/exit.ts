// Exit codes: what each means, and which one a list of diagnostics or a plan ends in.

import type { CodeEntry } from '../core/codes/entry.ts';
import { codes } from '../core/codes.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import { type Change, type Drift, isEmptyPlan, type Plan } from '../core/plan/plan.ts';
import type { ApplyResult } from '../engine/events.ts';

export const exitCodes = {
  done: 0,
  error: 1,
  changes: 2,
  invalidFile: 3,
  locked: 4,
  partial: 5,
  stale: 6,
  refused: 7,
  driftOnly: 8,
  usage: 64,
  ownFailure: 125,
  interrupted: 130,
} as const;

/** The status a process ends with; commands inside a guest may end with any from 0 to 255. */
export type ExitCode = number;

/** Exit code of a failure: that of the first error, since later ones often follow from it. */
export function exitOfDiagnostics(diagnostics: readonly Diagnostic[]): ExitCode {
  const first = diagnostics.find((d) => d.severity === 'error');
  if (first === undefined) return exitCodes.done;
  const entry: CodeEntry = codes[first.code];
  if (entry.exit !== undefined) return entry.exit;
  const area = first.code.charAt(3);
  if (area === '0') return exitCodes.usage;
  return area === '1' || area === '2' ? exitCodes.invalidFile : exitCodes.error;
}

/** Exit code of an apply that ran. */
export function exitOfResult(result: ApplyResult): ExitCode {
  if (result.status === 'complete') return exitCodes.done;
  return result.status === 'partial' ? exitCodes.partial : exitCodes.interrupted;
}

/** Exit code when not all of the output got out: what is no failure by itself becomes one. */
export function exitAfterLoss(code: ExitCode): ExitCode {
  const done = code === exitCodes.done || code === exitCodes.changes || code === exitCodes.driftOnly;
  return done ? exitCodes.error : code;
}

/** Exit code of `plan --detailed-exitcode`: 0 nothing, 8 only what changed outside sbx, 2 anything else. */
export function exitOfPlan(plan: Plan): ExitCode {
  if (isEmptyPlan(plan)) return plan.drift.length === 0 ? exitCodes.done : exitCodes.driftOnly;
  const onlyDrift = plan.outputs.length === 0 && plan.changes.every((change) => comesFromDrift(change, plan.drift));
  return onlyDrift ? exitCodes.driftOnly : exitCodes.changes;
}

function comesFromDrift(change: Change, drift: readonly Drift[]): boolean {
  const drifted = drift.filter((d) => d.address === change.address).map((d) => d.field);
  if (drifted.length === 0) return false;
  return !('fields' in change) || change.action === 'create' || change.fields.every((f) => drifted.includes(f.field));
}
