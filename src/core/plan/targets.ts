// --target: only the named resources, with what they need and, for removals, what needs them.
import { type Address, kindOf } from '../address.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import type { Outcome, PlanOptions } from './context.ts';

/**
 * Outcomes of the targeted resources. What stays or is made brings along what it depends on, and who has what it takes
 * (`givers`); what goes brings along what depends on it. An empty list of targets means everything.
 */
export function selectTargets(
  outcomes: ReadonlyMap<Address, Outcome>,
  { targets, only }: Pick<PlanOptions, 'targets' | 'only'>,
  dependsOn: (address: Address) => readonly Address[],
  givers: ReadonlyMap<Address, readonly Address[]> = new Map(),
): ReadonlyMap<Address, Outcome> {
  if (targets.length === 0) return outcomes;
  const selected = new Set<Address>();
  const bringsAlong = (address: Address): readonly Address[] => {
    if (only) return [];
    if (outcomes.get(address)?.change?.action !== 'delete')
      return [...dependsOn(address), ...(givers.get(address) ?? [])];
    return [...outcomes.keys()].filter((other) => dependsOn(other).includes(address));
  };
  const visit = (address: Address): void => {
    if (selected.has(address) || !outcomes.has(address)) return;
    selected.add(address);
    bringsAlong(address).forEach(visit);
  };
  for (const address of outcomes.keys()) if (targets.some((target) => covers(target, address))) visit(address);
  return new Map([...outcomes].filter(([address]) => selected.has(address)));
}

/** Addresses that the user named and that nothing has: neither the file nor what was applied. */
export function unknownAddresses(
  outcomes: ReadonlyMap<Address, Outcome>,
  { targets, replace }: Pick<PlanOptions, 'targets' | 'replace'>,
): readonly Diagnostic[] {
  const named = [...targets.map((at) => [at, '--target'] as const), ...replace.map((at) => [at, '--replace'] as const)];
  return named.flatMap(([at, option]) => {
    const found = [...outcomes.keys()].some((address) => covers(at, address));
    if (found && (option === '--target' || kindOf(at) === 'vm')) return [];
    const detail = found
      ? `${option} ${at}: only VMs can be replaced.`
      : `${option} ${at}: neither the file nor what was applied has it.`;
    const hint = found ? 'Name the VMs that use it.' : 'See what there is with:\nsbx show';
    return [diagnostic('SBX3143', { detail, hint })];
  });
}

/** Whether a target names this address: itself, or all instances of a counted VM. */
export function covers(target: Address, address: Address): boolean {
  return address === target || address.startsWith(`${target}[`);
}
