// What only one resource can have at a time passes from hand to hand: whoever takes it waits until whoever has it has let go.
import type { Address } from '../address.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import { clash, type Holding, letsGo, takenBy } from './holdings.ts';
import type { Step } from './steps.ts';

/** Who has what. */
export interface Holder {
  readonly address: Address;
  /** Now, or in the end */
  readonly holdings: readonly Holding[];
  /** Whether it may have anything beside: an apply was cut short while it took something */
  readonly maybeMore?: boolean;
}

/** A step before or after its needs are complete. */
type AnyStep = Pick<Step, 'id' | 'address' | 'action'>;

/** A step takes what another resource has. */
interface Taking {
  readonly step: AnyStep;
  readonly holder: Address;
  readonly holding: Holding;
}

/**
 * Makes each step that takes something wait for the steps that let go of it, at whoever else has it. Two that swap are both
 * stopped before either starts: what lets go of a VM's things waits for nothing that takes some.
 */
export function handOver(steps: readonly Step[], holders: Iterable<Holder>): readonly Step[] {
  const byId = new Map<string, Step>();
  const givers = new Map<Address, Step[]>();
  const more = new Map<string, Set<string>>();
  const wait = (taker: AnyStep, giver: AnyStep): void => {
    // Two networks that swap their subnets have one step each: one of them is changed first, and both before any VM.
    if (taker.action.op === 'network.ensure' && waitsFor(giver.id, taker.id, byId, more)) return;
    const needs = more.get(taker.id);
    if (needs === undefined) more.set(taker.id, new Set([giver.id]));
    else needs.add(giver.id);
  };
  for (const { step, holder, holding } of takings(steps, holders)) {
    if (byId.size === 0) for (const each of steps) byId.set(each.id, enter(givers, each));
    for (const giver of givers.get(holder) ?? []) if (letsGo(giver.action, holding)) wait(step, giver);
  }
  if (more.size === 0) return steps;
  return steps.map((step) => {
    const needs = more.get(step.id);
    return needs === undefined ? step : { ...step, needs: [...new Set([...step.needs, ...needs])] };
  });
}

function enter(givers: Map<Address, Step[]>, step: Step): Step {
  const list = givers.get(step.address);
  if (list === undefined) givers.set(step.address, [step]);
  else list.push(step);
  return step;
}

/** Whether a step needs another one, directly or through others. */
function waitsFor(
  id: string,
  other: string,
  byId: ReadonlyMap<string, Step>,
  more: ReadonlyMap<string, ReadonlySet<string>>,
): boolean {
  const seen = new Set<string>();
  const left = [id];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (at === other) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    left.push(...(byId.get(at)?.needs ?? []), ...(more.get(at) ?? []));
  }
  return false;
}

/** For each address, those that have what its steps take. */
export function giversOf(
  steps: readonly AnyStep[],
  holders: Iterable<Holder>,
): ReadonlyMap<Address, readonly Address[]> {
  const givers = new Map<Address, Set<Address>>();
  for (const { step, holder } of takings(steps, holders)) {
    const set = givers.get(step.address);
    if (set === undefined) givers.set(step.address, new Set([holder]));
    else set.add(holder);
  }
  return new Map([...givers].map(([address, set]) => [address, [...set]]));
}

/** What steps take from somebody who will go on having it: lifecycles that ignore a change can want that. SBX3121. */
export function neverHandedOver(steps: readonly AnyStep[], after: Iterable<Holder>): readonly Diagnostic[] {
  const told = new Set<string>();
  return [...takings(steps, after)].flatMap(({ step: { address }, holder, holding: { thing } }) => {
    const key = `${address} ${thing}`;
    if (told.has(key)) return [];
    told.add(key);
    const detail = `${address} would take the ${thing}, and ${holder} keeps it.`;
    const hint = `Give ${address} another one, or take the field of ${holder} out of lifecycle.ignore_changes.`;
    return [diagnostic('SBX3121', { address, detail, hint })];
  });
}

/** Every pair of a step that takes something and another resource that has it. */
export function* takings(steps: readonly AnyStep[], holders: Iterable<Holder>): Generator<Taking> {
  let takers: ReadonlyMap<string, readonly Taker[]> | undefined;
  for (const holder of holders) {
    // At a first apply nobody has anything yet.
    takers ??= takersOf(steps);
    if (takers.size === 0) return;
    for (const found of takenFrom(holder, takers)) if (found.step.address !== found.holder) yield found;
  }
}

function takenFrom(
  { address: holder, holdings, maybeMore }: Holder,
  takers: ReadonlyMap<string, readonly Taker[]>,
): readonly Taking[] {
  const known = holdings.flatMap((holding) =>
    (takers.get(holding.thing) ?? []).flatMap((taker) =>
      clash(taker.holding, holding) ? [{ step: taker.step, holder, holding }] : [],
    ),
  );
  if (maybeMore !== true) return known;
  return [...known, ...[...stepsOf(takers)].map((step) => ({ step, holder, holding: anything }))];
}

interface Taker {
  readonly step: AnyStep;
  readonly holding: Holding;
}

/** What VMs take, of one that may have taken anything. */
const anything: Holding = { thing: 'things' };

/** Steps by what they take. */
function takersOf(steps: readonly AnyStep[]): ReadonlyMap<string, readonly Taker[]> {
  const takers = new Map<string, Taker[]>();
  for (const step of steps) {
    for (const holding of takenBy(step.action)) {
      const list = takers.get(holding.thing);
      if (list === undefined) takers.set(holding.thing, [{ step, holding }]);
      else list.push({ step, holding });
    }
  }
  return takers;
}

/** Steps that take things of VMs. */
function stepsOf(takers: ReadonlyMap<string, readonly Taker[]>): ReadonlySet<AnyStep> {
  const lists = [...takers.values()];
  return new Set(lists.flatMap((list) => list.flatMap(({ step, holding }) => (holding.subnet ? [] : [step]))));
}
