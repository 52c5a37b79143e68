// Planning: opens the sandbox, observes it, and lets the planner decide. Takes no lock and writes nothing.
import type { Address } from '../core/address.ts';
import { mapBounded } from '../core/bounded.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import type { DesiredImage, DesiredResource } from '../core/desired.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import {
  type HostFacts,
  holdsGuest,
  type ImageObservation,
  type Observed,
  type VolumeObservation,
} from '../core/observed.ts';
import { chooseDriver, type DriverRequest, driverNeeds } from '../core/plan/choose-driver.ts';
import { noOptions, type PlanInputs, type PlanOptions } from '../core/plan/context.ts';
import type { DriverChoice, Plan } from '../core/plan/plan.ts';
import { planSandbox } from '../core/plan/planner.ts';
import { isSame } from '../core/plan/values.ts';
import type { State, VmRecord, VolumeRecord } from '../core/state/state.ts';
import { observe } from '../engine/observe.ts';
import { namespaceSupport, readHostFacts } from '../host/space.ts';
import { observeImage } from '../kinds/image/provider.ts';
import { kindRules } from '../kinds/index.ts';
import { observeSandbox, vmProcesses } from '../kinds/sandbox/provider.ts';
import type { Shell } from '../kinds/shell.ts';
import { observeVms } from '../kinds/vm/provider.ts';
import { secretsOf } from '../kinds/vm/spec.ts';
import { observeVolume } from '../kinds/volume/provider.ts';
import { keyedHash, readKey, soundKey } from '../store/key.ts';
import { recordedCapabilities } from '../vmm/index.ts';
import { formerWarning } from './former.ts';
import { type Opened, openSandbox } from './loading.ts';
import type { PlanRequest } from './services.ts';
import { findVm, shellOf, type Workplace } from './session.ts';
import { findUnseen } from './unseen.ts';

/** A plan with everything that it was made from. */
export interface MadePlan {
  readonly plan: Plan;
  readonly opened: Opened;
  readonly shell: Shell;
  readonly inputs: PlanInputs;
  /** When the host was observed: monotonic clock in `ms` */
  readonly observedAtMs: number;
  readonly warnings: readonly Diagnostic[];
}

interface ObserveAllOptions {
  readonly signal?: AbortSignal | undefined;
  /** Waits longer for VMMs that are silent */
  readonly patient?: boolean;
}

/**
 * Makes the plan of a request. The signal ends what may take long, with what it was raised for. `patient` waits longer for VMMs
 * that are silent.
 */
export async function makePlan(
  workplace: Workplace,
  request: PlanRequest,
  { signal, patient = false }: ObserveAllOptions = {},
): Promise<Checked<MadePlan>> {
  // What was applied is removed, stopped and started as it is recorded: that needs neither the file nor its secrets.
  const needsFile = request.mode === 'apply' && request.power === undefined;
  const opened = await openSandbox(workplace, { needsFile, takeOver: request.takeOver });
  if (!opened.ok) return opened;
  const { desired, layout, snapshot, reserved } = opened.value;
  const shell = shellOf(workplace, layout, { wait: request.wait, ...(desired === undefined ? {} : { desired }) });
  const host = await hostFacts(workplace, opened.value, reserved);
  const found = await lookAround(workplace, request, opened.value, shell, host, { signal, patient });
  if (!found.ok) return found;
  const { observed, observedAtMs, driver } = found.value;
  const options = optionsOf(request, snapshot.state, workplace.options);
  if (!options.ok) return options;
  const missing = await missingSecrets(request, options.value, snapshot.state, shell);
  if (missing !== undefined) return failed(missing);
  const key = await (isRemoval(request) ? soundKey : readKey)(workplace.home);
  const inputs: PlanInputs = {
    mode: request.mode,
    observed,
    // Without a key nothing was ever recorded that a hash could be compared with.
    hash: (text) => (key === undefined ? '' : keyedHash(key, text)),
    options: options.value,
    ...(desired === undefined ? {} : { desired }),
    ...(snapshot.state === undefined ? {} : { state: snapshot.state }),
    ...(driver === undefined ? {} : { driver }),
  };
  const plan = planSandbox(inputs, kindRules);
  if (!plan.ok) return plan;
  const { former } = opened.value;
  const warnings = former === undefined ? [] : [formerWarning(former, request)];
  return ok({
    plan: withWarnings(plan.value, warnings),
    opened: opened.value,
    shell,
    inputs,
    observedAtMs,
    warnings: opened.warnings,
  });
}

interface Sight {
  readonly observed: Observed;
  readonly observedAtMs: number;
  readonly driver: DriverChoice | undefined;
}

/** What the host shows, whether all of it can be seen from here, and what runs the VMs on it. */
async function lookAround(
  workplace: Workplace,
  request: PlanRequest,
  opened: Opened,
  shell: Shell,
  host: HostFacts,
  options: ObserveAllOptions,
): Promise<Checked<Sight>> {
  const { state } = opened.snapshot;
  // Where nothing was applied, whether there is a VMM at all is known before anything long is looked at.
  const early = vmRecords(state).length > 0 ? undefined : await choiceOf(workplace, request, opened, host);
  if (early?.ok === false) return early;
  const observedAtMs = performance.now();
  const observed = await observeAll(opened, shell, host, workplace, options);
  const unseen = await findUnseen(state, opened.layout, observed.vms);
  if (unseen !== undefined) return failed(unseen);
  const choice = early ?? (await choiceOf(workplace, request, opened, host, observed.vms));
  return choice.ok ? ok({ observed, observedAtMs, driver: choice.value }) : choice;
}

function withWarnings(plan: Plan, warnings: readonly Diagnostic[]): Plan {
  return warnings.length === 0 ? plan : { ...plan, warnings: [...plan.warnings, ...warnings] };
}

/** A VM that is to boot must get its sensitive values: known before anything is stopped. */
async function missingSecrets(
  { power }: PlanRequest,
  { targets }: PlanOptions,
  state: State | undefined,
  shell: Shell,
): Promise<Diagnostic | undefined> {
  if (power === undefined || power.to === 'stop') return undefined;
  for (const { address, attrs } of vmRecords(state).filter((record) => targets.includes(record.address))) {
    const found = await secretsOf(address, attrs, shell);
    const name = Object.keys(attrs.env).find((each) => typeof attrs.env[each] !== 'string' && !found.has(each));
    if (name === undefined) continue;
    return diagnostic('SBX8010', {
      address,
      detail: `${address} boots with ${name}, which is sensitive: its seed has it no more, and it was not given.`,
      hint: 'Give the variables of the file as you do for sbx apply, with --var, --var-file or SBX_VAR_name.',
    });
  }
  return undefined;
}

/** What the state is to say of the sandbox's origin and does not yet, in words for users; undefined when nothing. */
export function originMoved({ opened, plan }: Pick<MadePlan, 'opened' | 'plan'>): string | undefined {
  const { sources, snapshot } = opened;
  const { state } = snapshot;
  if (state === undefined || sources === undefined || plan.mode === 'destroy') return undefined;
  if (state.folder !== sources.folder)
    return `The sandbox was applied from ${state.folder}; it belongs to ${sources.folder} now.`;
  return isSame(state.files, sources.files) ? undefined : `The sandbox comes from ${sources.files.join(' and ')} now.`;
}

/** Whether a request only takes away what was applied: that needs no file, no secrets and no key, and works on a full disk. */
export function isRemoval(request: Pick<PlanRequest, 'mode' | 'power'>): boolean {
  return request.mode === 'destroy' || request.power?.to === 'stop';
}

function vmRecords(state: State | undefined): readonly VmRecord[] {
  return (state?.resources ?? []).filter((record): record is VmRecord => record.kind === 'vm');
}

async function hostFacts(
  workplace: Workplace,
  opened: Opened,
  reserved: ReadonlyMap<string, string>,
): Promise<HostFacts> {
  const { desired, snapshot } = opened;
  const resources: readonly DesiredResource[] = [...(desired?.resources.values() ?? [])];
  const publishes = resources.some(
    (resource) => resource.kind === 'vm' && [...resource.nics.values()].some((nic) => nic.ports.length > 0),
  );
  const recorded = snapshot.state?.resources.find((record) => record.kind === 'sandbox');
  const connectivity =
    recorded?.kind === 'sandbox' ? { connectivity: recorded.attrs.connectivity } : await connectivityHere();
  const inside = connectivity.connectivity === 'namespace';
  return {
    ...readHostFacts({
      home: workplace.home.state,
      listeners: publishes ? 'read' : 'skip',
      ...(inside ? {} : { programs: [] }),
    }),
    ...connectivity,
    reserved,
  };
}

async function connectivityHere(): Promise<
  Pick<HostFacts, 'connectivity' | 'connectivityReason' | 'connectivityHint'>
> {
  const support = await namespaceSupport();
  return support.ok
    ? { connectivity: 'namespace' }
    : { connectivity: 'user-net', connectivityReason: support.reason, connectivityHint: support.hint };
}

/** The driver that is to run the sandbox; none is needed to remove one. */
async function choiceOf(
  workplace: Workplace,
  request: PlanRequest,
  opened: Opened,
  host: HostFacts,
  seen: Observed['vms'] = new Map(),
): Promise<Checked<DriverChoice | undefined>> {
  const { desired, snapshot } = opened;
  const current = currentDriver(vmRecords(snapshot.state), seen);
  if (request.power !== undefined) return await recordedDriver(workplace, request.power.to, current);
  if (request.mode === 'destroy' || desired === undefined) return ok(undefined);
  if (![...desired.resources.values()].some((resource) => resource.kind === 'vm')) return ok(undefined);
  const needs = driverNeeds(desired, host.connectivity);
  return chooseDriver(
    { vmm: workplace.options.vmm, needs, ...(current === undefined ? {} : { current }) },
    await workplace.detected(),
  );
}

/** What the VMs were started with, and whether any of them runs. */
function currentDriver(vms: readonly VmRecord[], seen: Observed['vms']): DriverRequest['current'] {
  const [first] = vms;
  if (first === undefined) return undefined;
  const { driver } = first.attrs;
  const runs = vms.some(({ address }) => holdsGuest(seen.get(address) ?? { state: 'absent' }));
  return { driver, runs, capabilities: recordedCapabilities(driver, first.facts.vmmVersion) };
}

/** What runs the VMs now starts them again, and nothing else; none is needed to stop them. */
async function recordedDriver(
  workplace: Workplace,
  to: NonNullable<PlanRequest['power']>['to'],
  current: DriverRequest['current'],
): Promise<Checked<DriverChoice | undefined>> {
  if (current === undefined) return ok(undefined);
  const detected = (await workplace.detected()).filter(
    (one) => (one.available ? one.capabilities.driver : one.driver) === current.driver,
  );
  const choice = chooseDriver({ vmm: 'auto', needs: {}, current }, detected);
  return choice.ok || to !== 'stop' ? choice : ok(undefined);
}

/** Reads images, volumes, VMs and the namespace at the same time. */
export async function observeAll(
  opened: Opened,
  shell: Shell,
  host: HostFacts,
  workplace: Workplace,
  { signal, patient = false }: ObserveAllOptions = {},
): Promise<Observed> {
  const { desired, snapshot } = opened;
  const vms = vmRecords(snapshot.state);
  const records = snapshot.state?.resources ?? [];
  return await observe({
    sandbox: async () => {
      const record = records.find((candidate) => candidate.kind === 'sandbox');
      return await observeSandbox(record?.kind === 'sandbox' ? record : undefined, shell, vmProcesses(vms));
    },
    images: async () => {
      const images = [...(desired?.resources.values() ?? [])].filter(
        (resource): resource is DesiredImage => resource.kind === 'image',
      );
      const pairs = await mapBounded(images, 8, async (image): Promise<readonly [Address, ImageObservation]> => {
        return [
          image.address,
          await observeImage(image, shell, workplace.known, { onProgress: workplace.tell, signal }),
        ];
      });
      return new Map(pairs);
    },
    volumes: async () => {
      const volumes = records.filter((record): record is VolumeRecord => record.kind === 'volume');
      const pairs = await mapBounded(volumes, 32, async (record): Promise<readonly [Address, VolumeObservation]> => {
        return [record.address, await observeVolume(record, shell)];
      });
      return new Map(pairs);
    },
    vms: () => observeVms(vms, shell, { patient }),
    host: async () => host,
  });
}

/** Options of the planner; start, stop and restart become holds on the VMs that they name. */
function optionsOf(
  request: PlanRequest,
  state: State | undefined,
  { allowHostLoopback }: Workplace['options'],
): Checked<PlanOptions> {
  const base = {
    ...noOptions,
    targets: request.targets,
    replace: request.replace,
    purge: request.purge,
    allowHostLoopback,
  };
  if (request.power === undefined) return ok(base);
  const { to, vms } = request.power;
  const records = vmRecords(state);
  const found = vms.map((vm) => findVm(records, vm));
  const missing = vms.filter((_vm, index) => found[index] === undefined);
  const [first, ...rest] = missing.map((vm) =>
    diagnostic('SBX3140', {
      detail: `${vm} is not a VM of this sandbox as it was applied.`,
      hint: 'See what there is with:\nsbx status',
    }),
  );
  if (first !== undefined) return failed(first, ...rest);
  const targets = found.flatMap((record) => (record === undefined ? [] : [record.address]));
  const holds = new Map(targets.map((target) => [target, to === 'stop']));
  return ok({ ...base, targets, only: true, holds, restart: to === 'restart' ? targets : [] });
}
