// The graph of steps: requirements between resources become needs between steps.
import type { Address } from '../address.ts';
import { bug } from '../errors.ts';
import type { DraftStep, Point } from './context.ts';
import type { Step } from './steps.ts';

/** A point in the course of a resource's change, as a key. */
function keyOf(address: Address, point: Point): string {
  return `${address} ${point}`;
}

/** The points that imply a weaker one: who is ready has started, who has started is present. */
const stronger: Readonly<Record<Point, readonly Point[]>> = {
  released: ['released'],
  present: ['present', 'started', 'ready'],
  started: ['started', 'ready'],
  ready: ['ready', 'started'],
  gone: ['gone'],
};

/** Resolves requirements. A resource without steps has reached all its points already. */
export function resolveSteps(drafts: readonly DraftStep[]): readonly Step[] {
  const reached = new Map<string, string[]>();
  for (const draft of drafts) {
    // Whoever waits for a resource to be gone waits for all that still happens to it.
    for (const point of [...(draft.reaches ?? []), 'gone' as const]) {
      const key = keyOf(draft.address, point);
      const ids = reached.get(key);
      if (ids === undefined) reached.set(key, [draft.id]);
      else ids.push(draft.id);
    }
  }
  return drafts.map(({ requires, reaches: _reaches, ...step }) => {
    if (requires === undefined) return step;
    const needs = new Set(step.needs);
    for (const { address, point } of requires) for (const id of idsFor(reached, address, point)) needs.add(id);
    needs.delete(step.id);
    return { ...step, needs: [...needs] };
  });
}

function idsFor(reached: ReadonlyMap<string, string[]>, address: Address, point: Point): readonly string[] {
  for (const candidate of stronger[point]) {
    const ids = reached.get(keyOf(address, candidate));
    if (ids !== undefined) return ids;
  }
  return [];
}

/** Steps by the step that they need. A need that is not in the list is a bug of the rules. */
export function dependantsOf(steps: readonly Step[]): ReadonlyMap<string, readonly Step[]> {
  const dependants = new Map<string, Step[]>(steps.map((step) => [step.id, []]));
  for (const step of steps) {
    for (const need of step.needs) {
      const list = dependants.get(need) ?? bug(`step ${step.id} needs ${need}, which is not in the plan`);
      list.push(step);
    }
  }
  return dependants;
}

/** Steps in an order in which each comes after what it needs. A cycle is a bug of the rules. */
export function sortSteps(steps: readonly Step[]): readonly Step[] {
  const waiting = new Map(steps.map((step) => [step.id, step.needs.length]));
  const dependants = dependantsOf(steps);
  const sorted = steps.filter((step) => step.needs.length === 0);
  for (let at = 0; at < sorted.length; at += 1) {
    for (const next of dependants.get(sorted[at]?.id ?? '') ?? []) {
      const left = (waiting.get(next.id) ?? 0) - 1;
      waiting.set(next.id, left);
      if (left === 0) sorted.push(next);
    }
  }
  if (sorted.length !== steps.length) bug('the steps of the plan form a cycle');
  return sorted;
}
