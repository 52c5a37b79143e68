// What VMs go on using although the file no longer declares it: their lifecycle ignores the change.
import type { Address } from '../core/address.ts';
import { diagnostic } from '../core/diagnostic.ts';
import type { PlanContext } from '../core/plan/context.ts';
import type { VmAttrs } from '../core/state/attrs.ts';

/** VMs that stay and whose planned attributes name this image, volume or network. */
export function usersOf(address: Address, context: PlanContext): readonly Address[] {
  return context.dependants(address).filter((user) => {
    if (context.record(user)?.kind !== 'vm') return false;
    const attrs = context.plannedAttrs(user) as VmAttrs | undefined;
    return attrs !== undefined && needsOf(attrs).includes(address);
  });
}

/** The image, volumes and networks that a VM uses. */
export function needsOf({ image, disks, nics }: VmAttrs): readonly Address[] {
  const volumes = Object.values(disks).flatMap((disk) => (disk.type === 'volume' ? [disk.volume] : []));
  return [image, ...volumes, ...Object.values(nics).map(({ network }) => network)];
}

/** Refuses to remove what a VM that stays goes on using; whether it did. */
export function refuseInUse(address: Address, context: PlanContext): boolean {
  const [user] = usersOf(address, context);
  if (user === undefined) return false;
  const detail = `${address} is no longer declared, and ${user} goes on using it: its lifecycle ignores the change.`;
  context.report(
    diagnostic('SBX3116', { address, detail, hint: 'Put it back, or take the field out of lifecycle.ignore_changes.' }),
  );
  return true;
}
