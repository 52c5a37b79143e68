// Replacements that `replace_triggered_by` asks for are owed from before their cause is changed until they are done: a plan with
// --target that leaves them out, or an apply that is killed in between, forgets none.
import type { Address } from '../address.ts';
import type { DesiredResource } from '../desired.ts';
import type { ResourceRecord } from '../state/state.ts';
import { stepId } from './change.ts';
import type { Step } from './steps.ts';

export interface OwedInputs {
  readonly desired: ReadonlyMap<Address, DesiredResource>;
  readonly records: ReadonlyMap<Address, ResourceRecord>;
  /** What this plan changes and carries out */
  readonly changed: ReadonlySet<Address>;
}

export interface WithOwed {
  readonly steps: readonly Step[];
  /** What changes → steps that note what is owed for it: they belong to its change */
  readonly noted: ReadonlyMap<Address, readonly string[]>;
}

/** The steps of a plan with one more for each VM whose replacement is owed; it comes before the steps of what triggers it and its own. */
export function withOwed(steps: readonly Step[], inputs: OwedInputs): WithOwed {
  const owed = owedBy(inputs);
  const noted = new Map<Address, readonly string[]>();
  if (owed.size === 0) return { steps, noted };
  const before = new Map<Address, string[]>();
  const notes = [...owed].map(([address, causes]): Step => {
    const id = stepId(address, 'record', 'owed');
    for (const at of [address, ...causes]) before.set(at, [...(before.get(at) ?? []), id]);
    for (const cause of causes.slice(0, 1)) noted.set(cause, [...(noted.get(cause) ?? []), id]);
    const record = inputs.records.get(address);
    const owes = [...new Set([...(record?.kind === 'vm' ? (record.facts.owes ?? []) : []), ...causes])];
    return { id, address, action: { op: 'record' }, needs: [], after: { type: 'patched', facts: { owes } } };
  });
  const after = steps.map((step) => ({ ...step, needs: [...step.needs, ...(before.get(step.address) ?? [])] }));
  return { steps: [...notes, ...after], noted };
}

/** VM → what it is to be replaced for. What does not exist yet is made anew anyway. */
function owedBy({ desired, records, changed }: OwedInputs): ReadonlyMap<Address, readonly Address[]> {
  const owed = new Map<Address, readonly Address[]>();
  for (const resource of desired.values()) {
    if (resource.kind !== 'vm' || records.get(resource.address)?.status !== 'ready') continue;
    const causes = resource.lifecycle.replaceTriggeredBy.filter((cause) => changed.has(cause));
    if (causes.length > 0) owed.set(resource.address, causes);
  }
  return owed;
}
