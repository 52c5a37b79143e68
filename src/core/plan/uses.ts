// Who needs whom, as it is recorded.
import { type Address, kindOf } from '../address.ts';
import type { ResourceRecord } from '../state/state.ts';

export type Use = readonly [user: Address, used: Address];

/**
 * What recorded resources need. Uses between VMs that would close a circle are left out: an apply that was cut short between
 * two files that depend the other way round leaves one, and removal must find an order all the same.
 */
export function recordedUses(records: ReadonlyMap<Address, ResourceRecord>): readonly Use[] {
  const uses: Use[] = [];
  const entered = new Set<Address>();
  const left = new Set<Address>();
  for (const start of records.keys()) {
    const path: { readonly at: Address; readonly rest: Address[] }[] = [];
    const enter = (at: Address): void => {
      if (entered.has(at)) return;
      entered.add(at);
      path.push({ at, rest: [...(records.get(at)?.dependsOn ?? [])] });
    };
    enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const used = top.rest.pop();
      if (used === undefined) {
        left.add(top.at);
        path.pop();
      } else if (kindOf(used) !== 'vm') {
        uses.push([top.at, used]);
      } else if (!entered.has(used) || left.has(used)) {
        uses.push([top.at, used]);
        enter(used);
      }
    }
  }
  return uses;
}
