// What the sandbox itself is to the planner: folders, namespace, holder with its lease, uplink, packet filter, published ports.
import { type Address, sandboxAddress, shortName } from '../../core/address.ts';
import type { DesiredVm, PublishedPort } from '../../core/desired.ts';
import type { SandboxObservation } from '../../core/observed.ts';
import { draftStep, free, idsOf } from '../../core/plan/change.ts';
import { type DraftStep, type KindRules, noOutcome, type Outcome, type PlanContext } from '../../core/plan/context.ts';
import type { Drift, FieldChange } from '../../core/plan/plan.ts';
import { absent, isSame, shown } from '../../core/plan/values.ts';
import { type PortRun, portRuns, spanText } from '../../core/port-ranges.ts';
import type { Forward, SandboxAttrs, VmAttrs } from '../../core/state/attrs.ts';
import type { SandboxRecord } from '../../core/state/state.ts';
import { forwardName } from '../../core/uplink-ports.ts';
import { impactTable } from '../impacts.ts';

export const sandboxRules: KindRules<'sandbox'> = {
  toAttrs: (desired, context) => {
    const networks: Record<string, { mode: 'nat' | 'isolated'; subnet: string }> = {};
    const forwards: Forward[] = [];
    for (const resource of context.desired.values()) {
      if (resource.kind === 'network')
        networks[shortName(resource.address)] = { mode: resource.mode, subnet: resource.subnet };
      if (resource.kind === 'vm') forwards.push(...forwardsOf(resource, context));
    }
    const { connectivity } = context.observed.host;
    const inside = connectivity === 'namespace';
    return {
      connectivity,
      expiresMs: desired.expiresMs ?? null,
      uplink: inside && (Object.values(networks).some((network) => network.mode === 'nat') || forwards.length > 0),
      networks,
      forwards: inside ? forwards : [],
    };
  },
  dependsOn: () => [],
  plan: (subject, context) => {
    const { attrs, record } = subject;
    if (attrs === undefined) return record === undefined ? noOutcome : close(record, context);
    if (record === undefined || record.status !== 'ready') return open(attrs, record);
    return update(attrs, record, context);
  },
};

/** Published ports of a VM, at the addresses that it will have; those that its lifecycle ignores stay as they are recorded. */
function forwardsOf(vm: DesiredVm, context: PlanContext): readonly Forward[] {
  const nics = (context.plannedAttrs(vm.address) as VmAttrs | undefined)?.nics ?? {};
  const record = context.record(sandboxAddress);
  const recorded = record?.kind === 'sandbox' && context.record(vm.address) !== undefined ? record.attrs.forwards : [];
  return Object.entries(nics).flatMap(([network, { ip }]) => {
    const field = `networks.${network}.ports`;
    const isIgnored = vm.lifecycle.ignoreChanges.some(
      (ignored) => field === ignored || field.startsWith(`${ignored}.`),
    );
    const kept = recorded.filter((forward) => forward.vm === vm.address && forward.network === network);
    const ports: readonly PublishedPort[] =
      isIgnored && context.record(vm.address) !== undefined ? kept.map(portOf) : (vm.nics.get(network)?.ports ?? []);
    return ports.map((port) => ({ ...port, vm: vm.address, network, guestIp: ip }));
  });
}

function portOf({ hostIp, hostPort, guestPort, protocol }: Forward): PublishedPort {
  return { hostIp, hostPort, guestPort, protocol };
}

/** Forwards of a VM that lie side by side, as people read them. */
function forwardText({ first, length }: PortRun<Forward>): string {
  const { hostIp, hostPort, vm, guestPort, protocol } = first;
  return `${hostIp}:${spanText(hostPort, length)} → ${shortName(vm)}:${spanText(guestPort, length)}/${protocol}`;
}

/** The field of forwards that lie side by side: `ports.127.0.0.1:3000-3002/tcp`. */
function portsField({ first, length }: PortRun<Forward>): string {
  return `ports.${first.hostIp}:${spanText(first.hostPort, length)}/${first.protocol}`;
}

function runsOf(forwards: readonly Forward[]): readonly PortRun<Forward>[] {
  return portRuns(forwards, (a, b) => a.vm === b.vm && a.network === b.network && a.guestIp === b.guestIp);
}

function openStep(attrs: SandboxAttrs, before?: SandboxRecord): DraftStep {
  return draftStep(
    sandboxAddress,
    { op: 'sandbox.open', attrs },
    { reaches: ['present'], ...(before === undefined ? {} : { before }) },
  );
}

/** Uplink, then packet filter and ports: guests start only behind them. */
function connectSteps(
  attrs: SandboxAttrs,
  needs: readonly DraftStep[],
  uplink: 'start' | 'stop' | 'keep',
): readonly DraftStep[] {
  if (attrs.connectivity === 'user-net') return [];
  const steps: DraftStep[] = [];
  if (uplink === 'start') steps.push(draftStep(sandboxAddress, { op: 'sandbox.uplink' }, { needs }));
  if (uplink === 'stop') steps.push(draftStep(sandboxAddress, { op: 'sandbox.uplink-stop' }, { needs }));
  const rules = draftStep(
    sandboxAddress,
    { op: 'sandbox.rules', attrs },
    { needs: [...needs, ...steps], reaches: ['started'] },
  );
  return [...steps, rules];
}

function leaseStep(expiresMs: number | null, needs: readonly DraftStep[]): DraftStep {
  return draftStep(sandboxAddress, { op: 'sandbox.lease', expiresMs }, { needs });
}

/** Closes the chain: the record says what is true now. */
function withRecord(steps: readonly DraftStep[], attrs: SandboxAttrs): readonly DraftStep[] {
  const after = { type: 'patched', status: 'ready', attrs } as const;
  return [...steps, draftStep(sandboxAddress, { op: 'record' }, { needs: steps, reaches: ['started'], after })];
}

function open(attrs: SandboxAttrs, record: SandboxRecord | undefined): Outcome {
  const before: SandboxRecord = {
    kind: 'sandbox',
    address: sandboxAddress,
    status: 'creating',
    attrs,
    facts: record?.facts ?? {},
    dependsOn: [],
  };
  const first = openStep(attrs, before);
  const lease = leaseStep(attrs.expiresMs, [first]);
  const connect = connectSteps(attrs, [first], attrs.uplink ? 'start' : 'keep');
  const steps = withRecord([first, lease, ...connect], attrs);
  const fields: FieldChange[] = runsOf(attrs.forwards).map((run) => portField(run, 'publish'));
  if (attrs.expiresMs !== null) {
    fields.unshift({
      field: 'expires',
      from: absent,
      to: shown(attrs.expiresMs),
      impact: 'live',
      reason: 'new',
      unit: 'ms',
    });
  }
  const change = {
    action: 'create',
    address: sandboxAddress,
    fields,
    resumes: record !== undefined,
    steps: idsOf(steps),
    price: free,
  } as const;
  return { steps, drift: [], change };
}

function portField(run: PortRun<Forward>, what: 'publish' | 'withdraw'): FieldChange {
  const text = shown(forwardText(run));
  const field = portsField(run);
  const reason = what === 'publish' ? 'published while the VM runs' : 'withdrawn while the VM runs';
  return {
    field,
    from: what === 'publish' ? absent : text,
    to: what === 'publish' ? text : absent,
    impact: impactTable['vms.*.networks.*.ports'].cases.inside.impact,
    reason,
  };
}

function update(attrs: SandboxAttrs, record: SandboxRecord, context: PlanContext): Outcome {
  const { sandbox } = context.observed;
  const drift = driftOf(record, attrs, sandbox);
  const fields = [...fieldsOf(attrs, record), ...drift.map(repairField)];
  if (record.pending !== undefined && fields.length === 0) {
    const reason = 'an earlier apply was cut short';
    fields.push({ field: record.pending.op, from: shown('unfinished'), to: shown('done'), impact: 'live', reason });
  }
  // Every apply renews the lease, also one that changes nothing.
  if (fields.length === 0)
    return attrs.expiresMs === null ? noOutcome : { steps: [leaseStep(attrs.expiresMs, [])], drift };
  const first = openStep(attrs);
  const uplinkMissing = sandbox.uplink === 'absent' || sandbox.namespace === 'absent';
  const uplink = attrs.uplink ? (uplinkMissing ? 'start' : 'keep') : record.attrs.uplink ? 'stop' : 'keep';
  const connect = connectSteps(attrs, [first], uplink);
  const steps = withRecord([first, leaseStep(attrs.expiresMs, [first]), ...connect], attrs);
  const change = {
    action: 'update',
    address: sandboxAddress,
    fields,
    impact: 'live',
    steps: idsOf(steps),
    price: free,
  } as const;
  return { steps, drift, change };
}

function fieldsOf(attrs: SandboxAttrs, record: SandboxRecord): FieldChange[] {
  const fields: FieldChange[] = [];
  const changed = (field: string, from: unknown, to: unknown, reason: string, unit?: 'ms'): void => {
    if (isSame(from, to)) return;
    fields.push({
      field,
      from: shown(from ?? undefined),
      to: shown(to ?? undefined),
      impact: 'live',
      reason,
      ...(unit === undefined ? {} : { unit }),
    });
  };
  changed('expires', record.attrs.expiresMs, attrs.expiresMs, impactTable.expires.cases.changed.why, 'ms');
  changed('connectivity', record.attrs.connectivity, attrs.connectivity, 'what this host allows changed');
  changed('networks', record.attrs.networks, attrs.networks, 'the packet filter is loaded whole');
  changed('uplink', record.attrs.uplink, attrs.uplink, 'networks of mode nat need it');
  const now = new Set(attrs.forwards.map(forwardName));
  const was = new Set(record.attrs.forwards.map(forwardName));
  const withdrawn = record.attrs.forwards.filter((forward) => !now.has(forwardName(forward)));
  const published = attrs.forwards.filter((forward) => !was.has(forwardName(forward)));
  fields.push(...runsOf(withdrawn).map((run) => portField(run, 'withdraw')));
  fields.push(...runsOf(published).map((run) => portField(run, 'publish')));
  return fields;
}

function driftOf(record: SandboxRecord, attrs: SandboxAttrs, seen: SandboxObservation): readonly Drift[] {
  const drift: Drift[] = [];
  const missing = (field: string, remedy: string): void => {
    drift.push({ address: sandboxAddress, field, recorded: shown('present'), observed: absent, remedy });
  };
  if (seen.holder === 'absent') missing('holder', 'start it again');
  drift.push(...leaseDrift(record, seen));
  if (record.attrs.connectivity === 'user-net') return drift;
  if (seen.namespace === 'absent') {
    missing('namespace', 'make it again, with all that was in it');
    return drift;
  }
  if (record.attrs.uplink && attrs.uplink && seen.uplink === 'absent')
    missing('uplink', 'start it again and publish its ports');
  if (seen.rules === 'absent') missing('packet filter', 'load it again');
  if (seen.rules === 'changed') {
    drift.push({
      address: sandboxAddress,
      field: 'packet filter',
      recorded: shown('ours'),
      observed: shown('changed'),
      remedy: 'load ours again',
    });
  }
  if (seen.uplink === 'present') {
    const there = new Set(seen.forwards);
    const closed = record.attrs.forwards.filter((forward) => !there.has(forwardName(forward)));
    for (const run of runsOf(closed)) missing(portsField(run), 'publish it again');
  }
  return drift;
}

/** A lease that the holder cannot read, or one that nobody recorded. Its end itself moves with every apply. */
function leaseDrift(record: SandboxRecord, { lease }: SandboxObservation): readonly Drift[] {
  if (lease === undefined) return [];
  const ends = record.attrs.expiresMs !== null;
  const isSound = ends ? typeof lease === 'number' : lease === 'none' || lease === 'absent';
  if (isSound) return [];
  const observed =
    lease === 'absent' ? absent : shown(typeof lease === 'number' ? new Date(lease).toISOString() : lease);
  const recorded = ends ? shown('present') : shown('none');
  return [{ address: sandboxAddress, field: 'lease', recorded, observed, remedy: 'write it again' }];
}

function repairField(drift: Drift): FieldChange {
  return { field: drift.field, from: drift.observed, to: drift.recorded, impact: 'live', reason: drift.remedy };
}

function close(record: SandboxRecord, context: PlanContext): Outcome {
  const requires = context.dependants(sandboxAddress).map((address: Address) => ({ address, point: 'gone' as const }));
  const options = { before: { ...record, status: 'deleting' } as const, requires, after: { type: 'removed' } as const };
  const steps = [draftStep(sandboxAddress, { op: 'sandbox.close' }, options)];
  const change = {
    action: 'delete',
    address: sandboxAddress,
    because: 'the sandbox goes',
    steps: idsOf(steps),
    price: free,
  } as const;
  return { steps, drift: [], change };
}
