// What status, show and output tell: the recorded and the observed side of a sandbox. Reads only.
import type { Address } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import type { Output } from '../core/desired.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import type { Json } from '../core/json.ts';
import type { Observed, VmObservation } from '../core/observed.ts';
import type { Drift } from '../core/plan/plan.ts';
import type { LockHolder, ShowReport, StatusReport, VmState, VmStatus } from '../core/render/status-model.ts';
import type { ResourceRecord, SandboxRecord, State, VmRecord } from '../core/state/state.ts';
import { readHostFacts, readLease } from '../host/space.ts';
import { shallRun } from '../kinds/vm/steps.ts';
import type { SandboxLayout } from '../store/home.ts';
import { readLockOwner } from '../store/lock.ts';
import { type Opened, openSandbox } from './loading.ts';
import { makePlan, observeAll } from './planning.ts';
import type { PlanRequest } from './services.ts';
import { findVm, shellOf, type Workplace } from './session.ts';
import { findUnseen } from './unseen.ts';

const everything: PlanRequest = { mode: 'apply', targets: [], replace: [], purge: false, wait: true, takeOver: true };

/** Whoever is applying to this sandbox now. */
export async function busyWith(layout: SandboxLayout): Promise<LockHolder | undefined> {
  return await readLockOwner(layout.lockPath);
}

interface Seen {
  readonly opened: Opened;
  readonly warnings: readonly Diagnostic[];
  readonly observed: Observed;
}

/** The sandbox and what the host shows of it. The file is read for its name, and for nothing else. */
async function look(workplace: Workplace): Promise<Checked<Seen>> {
  const opened = await openSandbox(workplace, { needsFile: false, takeOver: true });
  if (!opened.ok) return opened;
  const shell = shellOf(workplace, opened.value.layout, { wait: false });
  const host = {
    ...readHostFacts({ home: workplace.home.state, listeners: 'skip', programs: [] }),
    connectivity: sandboxRecord(opened.value.snapshot.state)?.attrs.connectivity ?? 'namespace',
    reserved: new Map(),
  } as const;
  // What is odd about the file is for those who plan.
  const warnings = opened.warnings.filter(({ code }) => code === 'SBX4030');
  return ok({ opened: opened.value, warnings, observed: await observeAll(opened.value, shell, host, workplace) });
}

function sandboxRecord(state: State | undefined): SandboxRecord | undefined {
  const record = state?.resources.find((candidate) => candidate.kind === 'sandbox');
  return record?.kind === 'sandbox' ? record : undefined;
}

/** The same of what is recorded alone. */
const asRecorded: PlanRequest = { ...everything, power: { to: 'stop', vms: [] } };

/** Drift as the plan sees it; where the file cannot be used or is not the one of this sandbox, from what is recorded alone. */
async function driftOf(workplace: Workplace): Promise<readonly Drift[]> {
  const requests = workplace.options.sandbox === undefined ? [everything, asRecorded] : [asRecorded];
  for (const request of requests) {
    const made = await makePlan(workplace, request);
    if (made.ok) return made.value.plan.drift;
  }
  return [];
}

/** The live table of the sandbox. */
export async function statusReport(workplace: Workplace): Promise<Checked<StatusReport>> {
  const [seen, drift] = await Promise.all([look(workplace), driftOf(workplace)]);
  if (!seen.ok) return seen;
  const { opened, observed } = seen.value;
  const { state } = opened.snapshot;
  const { layout } = opened;
  const records = (state?.resources ?? []).filter((record): record is VmRecord => record.kind === 'vm');
  const [busy, leaseEndMs] = await Promise.all([busyWith(layout), readLease(layout.runDir)]);
  const driver = await driverOf(records, workplace);
  const unseen = await findUnseen(state, layout, observed.vms);
  return ok(
    {
      sandbox: { name: layout.name, ...(layout.instance === undefined ? {} : { instance: layout.instance }) },
      applied: state !== undefined,
      ...(driver === undefined ? {} : { driver }),
      ...(leaseEndMs === undefined ? {} : { leaseMs: leaseEndMs - Date.now() }),
      ...(busy === undefined ? {} : { busy }),
      ...(unseen === undefined ? {} : { unseen: unseen.detail }),
      vms: records.map((record) => vmStatus(record, observed, sandboxRecord(state), drift)),
      drift: drift.filter((one) => !one.address.startsWith('vm.')),
    },
    seen.value.warnings,
  );
}

async function driverOf(records: readonly VmRecord[], workplace: Workplace): Promise<StatusReport['driver']> {
  const [first] = records;
  if (first === undefined) return undefined;
  const found = (await workplace.detected()).find(
    (one) => one.available && one.capabilities.driver === first.attrs.driver,
  );
  if (found?.available !== true) return undefined;
  const { version, acceleration } = found.capabilities;
  return { name: first.attrs.driver, version: first.facts.vmmVersion ?? version, acceleration };
}

function vmStatus(
  record: VmRecord,
  observed: Observed,
  sandbox: SandboxRecord | undefined,
  drift: readonly Drift[],
): VmStatus {
  const observation = observed.vms.get(record.address) ?? { state: 'absent' };
  const alive = 'cpus' in observation;
  const { startedAtMs } = record.facts;
  const published = (sandbox?.attrs.forwards ?? []).filter((forward) => forward.vm === record.address);
  const own = Object.values(record.attrs.nics).flatMap((nic) => nic.forwards);
  return {
    address: record.address,
    state: stateOf(record, observation),
    ...('reason' in observation ? { reason: observation.reason } : {}),
    ...(record.attrs.hold ? { hold: true } : {}),
    nics: Object.entries(record.attrs.nics).map(([network, { ip }]) => ({ network, ip })),
    ports: [...published, ...own].map(({ hostIp, hostPort, guestPort, protocol }) => ({
      hostIp,
      hostPort,
      guestPort,
      protocol,
    })),
    ...(alive ? { cpus: observation.cpus, memoryBytes: observation.memoryBytes } : {}),
    ...(alive && startedAtMs !== undefined ? { uptimeMs: Math.max(0, Date.now() - startedAtMs) } : {}),
    drift: drift.filter((one) => one.address === record.address).map((one) => one.field),
  };
}

function stateOf(record: VmRecord, observation: VmObservation): VmState {
  if (record.status !== 'ready') return record.status;
  // What sbx stopped is known as ended like what ended by itself.
  if (!shallRun(record.attrs) && (observation.state === 'absent' || observation.state === 'exited')) return 'stopped';
  return observation.state === 'absent' ? 'missing' : observation.state;
}

/** Recorded and observed of one address, or of all. */
export async function showReport(workplace: Workplace, address: Address | undefined): Promise<Checked<ShowReport>> {
  const [seen, drift] = await Promise.all([look(workplace), driftOf(workplace)]);
  if (!seen.ok) return seen;
  const { opened, observed } = seen.value;
  const { state } = opened.snapshot;
  if (state === undefined) return failed(nothingApplied(opened.layout.id));
  const records = state.resources.filter(
    (record) => address === undefined || record.address === address || record === findIn(state, address),
  );
  if (records.length === 0)
    return failed(
      diagnostic('SBX3140', {
        detail: `${address} was not applied in this sandbox.`,
        hint: 'See what there is with:\nsbx status',
      }),
    );
  return ok(
    {
      sandbox: { name: state.name, ...(state.instance === undefined ? {} : { instance: state.instance }) },
      lineage: state.lineage,
      serial: state.serial,
      folder: state.folder,
      files: state.files,
      resources: records.map((record) => ({
        record,
        observed: observedOf(record, observed),
        drift: drift.filter((one) => one.address === record.address),
      })),
    },
    seen.value.warnings,
  );
}

function findIn(state: State, address: Address): ResourceRecord | undefined {
  return findVm(
    state.resources.filter((record): record is VmRecord => record.kind === 'vm'),
    address,
  );
}

function observedOf(record: ResourceRecord, observed: Observed): Json {
  const seen = {
    sandbox: () => observed.sandbox,
    image: () => observed.images.get(record.address),
    volume: () => observed.volumes.get(record.address),
    network: () => null,
    vm: () => observed.vms.get(record.address),
  }[record.kind]();
  return seen === undefined ? null : (JSON.parse(JSON.stringify(seen)) as Json);
}

function nothingApplied(id: string): ReturnType<typeof diagnostic> {
  return diagnostic('SBX3141', {
    detail: `Nothing was applied as "${id}" on this host.`,
    hint: 'Apply it first:\nsbx apply',
  });
}

/** Outputs as last applied. Sensitive ones are kept nowhere and come from the file again. */
export async function outputsOf(workplace: Workplace): Promise<Checked<ReadonlyMap<string, Output>>> {
  const opened = await openSandbox(workplace, { needsFile: false, takeOver: true });
  if (!opened.ok) return opened;
  const { state } = opened.value.snapshot;
  if (state === undefined) return failed(nothingApplied(opened.value.layout.id));
  const outputs = new Map<string, Output>();
  const unknown: string[] = [];
  for (const [name, recorded] of Object.entries(state.outputs)) {
    const declared = opened.value.desired?.outputs.get(name);
    if ('value' in recorded) outputs.set(name, { value: recorded.value, sensitive: false });
    else if (declared !== undefined) outputs.set(name, { value: declared.value, sensitive: true });
    else unknown.push(name);
  }
  return ok(outputs, [...opened.warnings, ...unknown.map(unknownOutput)]);
}

function unknownOutput(name: string): Diagnostic {
  return diagnostic('SBX4033', {
    detail: `The value of "${name}" is sensitive and kept nowhere, and the file does not give it now.`,
    hint: 'Give the variables of the file with --var, --var-file or SBX_VAR_name.',
  });
}
