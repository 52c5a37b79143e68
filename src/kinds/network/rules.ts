// What a network is to the planner: a bridge with an address inside the namespace of the sandbox.
import { type Address, sandboxAddress, shortName } from '../../core/address.ts';
import { bridgeName } from '../../core/link-names.ts';
import { draftStep, free, highestImpact, idsOf } from '../../core/plan/change.ts';
import {
  type DraftStep,
  type KindRules,
  noOutcome,
  type Outcome,
  type PlanContext,
  type Subject,
} from '../../core/plan/context.ts';
import type { Drift, FieldChange } from '../../core/plan/plan.ts';
import { absent, isSame, shown } from '../../core/plan/values.ts';
import type { NetworkAttrs } from '../../core/state/attrs.ts';
import type { NetworkRecord } from '../../core/state/state.ts';
import { type Cost, costOf, impactTable } from '../impacts.ts';
import { refuseInUse } from '../in-use.ts';

type NetworkSubject = Subject<NetworkAttrs, NetworkRecord>;

export const networkRules: KindRules<'network'> = {
  toAttrs: (desired) => ({ mode: desired.mode, subnet: desired.subnet, gateway: desired.gateway }),
  dependsOn: () => [sandboxAddress],
  plan: (subject, context) => {
    const { attrs, record } = subject;
    if (attrs === undefined) return record === undefined ? noOutcome : remove(subject, record, context);
    if (record === undefined || record.status !== 'ready') return create(subject, attrs);
    return update(subject, attrs, record, context);
  },
};

/** Prefix length of a CIDR. */
export function prefixOf(subnet: string): number {
  return Number(subnet.slice(subnet.indexOf('/') + 1));
}

function ensureStep(address: Address, attrs: NetworkAttrs, before?: NetworkRecord): DraftStep {
  return draftStep(
    address,
    { op: 'network.ensure', gateway: attrs.gateway, prefix: prefixOf(attrs.subnet) },
    {
      requires: [{ address: sandboxAddress, point: 'present' }],
      reaches: ['present'],
      after: { type: 'patched', status: 'ready', attrs },
      ...(before === undefined ? {} : { before }),
    },
  );
}

function create(subject: NetworkSubject, attrs: NetworkAttrs): Outcome {
  const { address, dependsOn } = subject;
  const steps = [
    ensureStep(address, attrs, { kind: 'network', address, status: 'creating', attrs, facts: {}, dependsOn }),
  ];
  const fields: FieldChange[] = [
    { field: 'mode', from: absent, to: shown(attrs.mode), impact: 'live', reason: 'new' },
    { field: 'subnet', from: absent, to: shown(attrs.subnet), impact: 'live', reason: 'new' },
  ];
  const resumes = subject.record !== undefined;
  return { steps, drift: [], change: { action: 'create', address, fields, resumes, steps: idsOf(steps), price: free } };
}

/** Whether the bridge is known to be missing. Without a namespace, everything in it is. */
function bridgeMissing(address: Address, context: PlanContext): boolean {
  const { sandbox, host } = context.observed;
  if (host.connectivity === 'user-net') return false;
  return sandbox.namespace === 'absent' || sandbox.links[bridgeName(shortName(address))] === undefined;
}

function update(subject: NetworkSubject, attrs: NetworkAttrs, record: NetworkRecord, context: PlanContext): Outcome {
  const { address } = subject;
  const fields: FieldChange[] = [];
  const changed = (field: keyof NetworkAttrs, cost: Cost): void => {
    if (isSame(record.attrs[field], attrs[field])) return;
    fields.push({ field, from: shown(record.attrs[field]), to: shown(attrs[field]), ...cost });
  };
  const inside = context.observed.host.connectivity === 'namespace';
  changed('mode', costOf(impactTable['networks.*.mode'].cases[inside ? attrs.mode : 'userNet']));
  changed('subnet', costOf(impactTable['networks.*.subnet'].cases.changed));
  const drift: Drift[] = [];
  if (bridgeMissing(address, context)) {
    drift.push({
      address,
      field: 'bridge',
      recorded: shown('present'),
      observed: absent,
      remedy: 'make it again and plug the VMs in',
    });
    fields.push({ field: 'bridge', from: absent, to: shown('present'), impact: 'live', reason: 'it is gone' });
  }
  if (fields.length === 0) return noOutcome;
  const steps = [ensureStep(address, attrs)];
  const price = { ...free, touches: context.dependants(address) };
  return {
    steps,
    drift,
    change: { action: 'update', address, fields, impact: highestImpact(fields), steps: idsOf(steps), price },
  };
}

function remove(subject: NetworkSubject, record: NetworkRecord, context: PlanContext): Outcome {
  const { address } = subject;
  if (refuseInUse(address, context)) return noOutcome;
  const requires = context.dependants(address).map((dependant) => {
    // Who stays may be waiting for the subnet of this one: it must only have left.
    const stays = context.plannedAttrs(dependant) !== undefined;
    return { address: dependant, point: stays ? ('released' as const) : ('gone' as const) };
  });
  const options = { before: { ...record, status: 'deleting' } as const, requires, after: { type: 'removed' } as const };
  const steps = [draftStep(address, { op: 'network.remove' }, options)];
  const because = context.mode === 'destroy' ? 'the sandbox goes' : 'the file no longer declares it';
  // Those that go as well need no word.
  const touches = context.dependants(address).filter((user) => context.plannedAttrs(user) !== undefined);
  const price = { ...free, touches };
  return { steps, drift: [], change: { action: 'delete', address, because, steps: idsOf(steps), price } };
}
