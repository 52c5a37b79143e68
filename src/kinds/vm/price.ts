// What the steps of a VM cost, read from the steps themselves: no plan is cheaper than what it does, whyever it does it.
import { holdsGuest, type VmObservation } from '../../core/observed.ts';
import type { DraftStep, PlanContext } from '../../core/plan/context.ts';
import type { Impact, LostDisk, Price } from '../../core/plan/plan.ts';
import type { VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import { lostDisks } from './steps.ts';

/**
 * What steps cost, read from the steps themselves. Rough figures: a stop takes about a second, a boot two with KVM and five
 * under emulation. What is stopped for good has no downtime.
 */
export function priceOf(
  steps: readonly DraftStep[],
  { address, attrs }: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): Price {
  const ends = endsGuest(steps, observation);
  const comesBack = steps.some(({ action }) => action.op === 'vm.start');
  const bootMs = context.capabilities?.acceleration === 'kvm' ? 2000 : 5000;
  const all = steps.some(({ action }) => action.op === 'vm.delete');
  const named = (op: 'vm.disk-delete' | 'vm.disk-detach'): ReadonlySet<string> =>
    new Set(steps.flatMap(({ action }) => (action.op === op ? [action.disk] : [])));
  const [deleted, detached] = [named('vm.disk-delete'), named('vm.disk-detach')];
  return {
    downtimeMs: ends && comesBack ? 1000 + bootMs : 0,
    lostDisks: [
      ...lostDisks(attrs.disks, (disk) => !all && !deleted.has(disk)),
      ...heldOnly(attrs, context).flatMap(({ disk, ...lost }) => (ends || detached.has(disk) ? [lost] : [])),
    ],
    touches: ends ? context.dependants(address) : [],
  };
}

function endsGuest(steps: readonly DraftStep[], observation: VmObservation): boolean {
  return holdsGuest(observation) && steps.some(({ action }) => action.op === 'vm.stop');
}

/** Whatever ends a guest is a restart at least, whatever loses data is as dear as a replacement: whyever it is planned. */
export function leastImpact(steps: readonly DraftStep[], price: Price, observation: VmObservation): Impact {
  if (price.lostDisks.length > 0) return 'replace';
  return endsGuest(steps, observation) ? 'restart' : 'live';
}

/** Volumes whose file is gone: what they hold is only in the VMM that has them open, and ends with it. */
function heldOnly({ disks }: VmAttrs, { observed }: PlanContext): readonly (LostDisk & { readonly disk: string })[] {
  return Object.entries(disks).flatMap(([name, disk]) => {
    if (disk.type !== 'volume' || observed.volumes.get(disk.volume)?.present !== false) return [];
    return [{ disk: name, name: disk.volume, sizeBytes: disk.sizeBytes }];
  });
}
