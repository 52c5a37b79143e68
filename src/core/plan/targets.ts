// --target: only the named resources, with what they need and, for removals, what needs them.
import type { Address } from '../address.ts';
import type { Outcome, PlanOptions } from './context.ts';

/**
 * Outcomes of the targeted resources. What stays or is made brings along what it depends on; what goes brings along
 * what depends on it. An empty list of targets means everything.
 */
export function selectTargets(
  outcomes: ReadonlyMap<Address, Outcome>,
  { targets, only }: Pick<PlanOptions, 'targets' | 'only'>,
  dependsOn: (address: Address) => readonly Address[],
): ReadonlyMap<Address, Outcome> {
  if (targets.length === 0) return outcomes;
  const selected = new Set<Address>();
  const visit = (address: Address): void => {
    if (selected.has(address) || !outcomes.has(address)) return;
    selected.add(address);
    if (only) return;
    for (const needed of dependsOn(address)) visit(needed);
    if (outcomes.get(address)?.change?.action !== 'delete') return;
    for (const other of outcomes.keys()) if (dependsOn(other).includes(address)) visit(other);
  };
  for (const address of outcomes.keys()) if (targets.some((target) => covers(target, address))) visit(address);
  return new Map([...outcomes].filter(([address]) => selected.has(address)));
}

/** Whether a target names this address: itself, or all instances of a counted VM. */
export function covers(target: Address, address: Address): boolean {
  return address === target || address.startsWith(`${target}[`);
}
