// Small builders that the rules of all kinds share.
import type { Address } from '../address.ts';
import type { AfterStep } from '../state/journal.ts';
import type { DraftStep } from './context.ts';
import { type FieldChange, type Impact, impacts, type Price } from './plan.ts';
import type { StepAction } from './steps.ts';

export const free: Price = { downtimeMs: 0, lostDisks: [], touches: [] };

/** The worse of two impacts. */
export function worse(a: Impact, b: Impact): Impact {
  return impacts.indexOf(a) >= impacts.indexOf(b) ? a : b;
}

/** The highest impact of a list of field changes; `live` for an empty one. */
export function highestImpact(fields: readonly FieldChange[]): Impact {
  return fields.reduce<Impact>((highest, field) => worse(highest, field.impact), 'live');
}

/** How a list of field changes is carried out: less than its impact where all that makes it dear is what it loses. */
export function waysOf(fields: readonly FieldChange[]): Impact {
  return fields.reduce<Impact>((highest, { through, impact }) => worse(highest, through ?? impact), 'live');
}

interface StepOptions {
  /** What distinguishes steps of one op at one address, such as a disk's name */
  readonly about?: string;
  readonly needs?: readonly DraftStep[];
  readonly requires?: DraftStep['requires'];
  readonly reaches?: DraftStep['reaches'];
  readonly before?: DraftStep['before'];
  readonly after?: AfterStep;
}

/** What every step of a kind leaves, whatever it is part of. A VM that was stopped has no process: its end was not its own. */
export function afterOf(action: StepAction): AfterStep {
  return action.op === 'vm.stop' ? { type: 'patched', drops: ['process'] } : { type: 'patched' };
}

/** Id of a step, unique in its plan; `about` tells steps of one op at one address apart, such as a disk's name. */
export function stepId(address: Address, op: StepAction['op'], about?: string): string {
  return `${address}/${op}${about === undefined ? '' : `:${about}`}`;
}

/** A draft step; without `after` its end leaves what `afterOf` says. */
export function draftStep(address: Address, action: StepAction, options: StepOptions = {}): DraftStep {
  return {
    id: stepId(address, action.op, options.about),
    address,
    action,
    needs: (options.needs ?? []).map((step) => step.id),
    after: options.after ?? afterOf(action),
    ...(options.requires === undefined ? {} : { requires: options.requires }),
    ...(options.reaches === undefined ? {} : { reaches: options.reaches }),
    ...(options.before === undefined ? {} : { before: options.before }),
  };
}

/** Ids of steps, for a change. */
export function idsOf(steps: readonly DraftStep[]): readonly string[] {
  return steps.map((step) => step.id);
}
