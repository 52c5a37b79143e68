// The host ends of a living VM's NICs: whether its taps are there and plugged into their bridges.
import { shortName } from '../../core/address.ts';
import { bridgeName, tapName } from '../../core/link-names.ts';
import type { PlanContext } from '../../core/plan/context.ts';
import type { Drift, FieldChange } from '../../core/plan/plan.ts';
import { absent, shown } from '../../core/plan/values.ts';
import type { VmRecord } from '../../core/state/state.ts';

export interface LinkState {
  readonly fields: readonly FieldChange[];
  readonly drift: readonly Drift[];
  /** NICs whose tap is there but not in its bridge */
  readonly unplugged: readonly string[];
}

/** Compares the links in the namespace with what a living VM needs. */
export function linkStateOf(record: VmRecord, context: PlanContext): LinkState {
  const { sandbox, host } = context.observed;
  if (host.connectivity === 'user-net' || sandbox.namespace === 'absent')
    return { fields: [], drift: [], unplugged: [] };
  const fields: FieldChange[] = [];
  const drift: Drift[] = [];
  const unplugged: string[] = [];
  for (const [nic, { network }] of Object.entries(record.attrs.nics)) {
    const field = `networks.${nic}.tap`;
    const link = sandbox.links[tapName(record.address, nic)];
    if (link === undefined) {
      const reason = 'its tap is gone, and a running VMM cannot open it again';
      fields.push({ field, from: absent, to: shown('present'), impact: 'restart', reason });
      drift.push({
        address: record.address,
        field,
        recorded: shown('present'),
        observed: absent,
        remedy: 'restart the VM on a new tap',
      });
    } else if (link.master !== bridgeName(shortName(network))) {
      unplugged.push(nic);
      fields.push({
        field,
        from: shown('unplugged'),
        to: shown('plugged'),
        impact: 'live',
        reason: 'the bridge was made again',
      });
      drift.push({
        address: record.address,
        field,
        recorded: shown('plugged'),
        observed: shown('unplugged'),
        remedy: 'plug it in',
      });
    }
  }
  return { fields, drift, unplugged };
}
