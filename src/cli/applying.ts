// Applying: under the lock, exactly the plan that was shown, or a refusal because the world moved.
import { randomUUID } from 'node:crypto';
import type { Address } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { canonicalJson } from '../core/json.ts';
import { recordedOutputs } from '../core/plan/outputs.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { ResourceRecord, State } from '../core/state/state.ts';
import { applyPlan } from '../engine/apply.ts';
import type { ApplyResult } from '../engine/events.ts';
import { ensurePrivateFolder } from '../host/files.ts';
import { performersOf } from '../kinds/performers.ts';
import { type SandboxLayout, statesDir } from '../store/home.ts';
import { homeFailure } from '../store/home-failure.ts';
import { openJournal } from '../store/journal-file.ts';
import { ensureKey, type HomeKey, keyedHash, readKey, soundKey } from '../store/key.ts';
import { writeKnown } from '../store/known-file.ts';
import { acquireLock } from '../store/lock.ts';
import { keepReserve, withReserve } from '../store/reserve.ts';
import { readSnapshot } from '../store/snapshot.ts';
import { removeState, settleJournal, writeState } from '../store/state-file.ts';
import { commandName, commandWords, userWords } from './command-words.ts';
import { isRemoval, type MadePlan, makePlan } from './planning.ts';
import type { ApplyOptions, PlanRequest } from './services.ts';
import type { Workplace } from './session.ts';
import { sbxVersion } from './version.ts';

/** A plan that was made longer ago than this is made again before it is carried out, in `ms`. */
const freshMs = 2000;

/** Takes the lock, makes sure that the plan still holds, carries it out and writes the state. */
export async function applyMade(
  workplace: Workplace,
  request: PlanRequest,
  made: MadePlan,
  options: ApplyOptions,
): Promise<Checked<ApplyResult>> {
  const { layout } = made.opened;
  await ensurePrivateFolder(statesDir(layout.home)).catch(homeFailure(`make ${statesDir(layout.home)}`));
  const lock = await acquireLock(layout.lockPath, {
    timeoutMs: options.lockTimeoutMs,
    owner: { user: userWords(), command: commandWords(process.argv.slice(2)) },
    signal: options.signal,
  });
  if (!lock.ok) return lock;
  try {
    const current = await confirm(workplace, request, made, options.signal);
    return current.ok ? await carryOut(workplace, current.value, options, isRemoval(request)) : current;
  } finally {
    lock.value.release();
  }
}

/** What of a plan was shown: equal means that nothing moved. */
export function shownPart(plan: Plan): string {
  const { changes, drift, outputs, mode, prior } = plan;
  const driver = plan.driver?.chosen;
  const steps = plan.steps.map(({ id, needs }) => ({ id, needs }));
  return canonicalJson({ changes, drift, outputs, mode, prior, driver, steps });
}

/** The plan as it is to be carried out. Under the lock: made again when it is not fresh or the state has moved. */
async function confirm(
  workplace: Workplace,
  request: PlanRequest,
  made: MadePlan,
  signal: AbortSignal,
): Promise<Checked<MadePlan>> {
  const snapshot = await readSnapshot(made.opened.layout);
  if (!snapshot.ok) return snapshot;
  // What only takes away needs no key, neither a sound one nor room for a new one.
  const removal = isRemoval(request);
  const hadKey = removal || (await readKey(workplace.home)) !== undefined;
  if (!removal) await ensureKey(workplace.home);
  const fresh = performance.now() - made.observedAtMs < freshMs && snapshot.value.stamp === made.opened.snapshot.stamp;
  // Nothing is ended for its silence before it was looked at again, longer.
  const patient = endsSilent(request, made);
  if (fresh && hadKey && !patient) return ok(made);
  const again = await makePlan(workplace, request, { signal, patient });
  if (!again.ok) return again;
  const moved = whatMoved(made.plan, again.value.plan);
  return moved === undefined
    ? again
    : failed(diagnostic('SBX3001', { detail: moved, hint: 'Look at the new plan with:\nsbx plan' }));
}

/** Whether a plan may end a VM because it does not answer; who destroys or stops it has other reasons. */
function endsSilent(request: PlanRequest, { inputs }: MadePlan): boolean {
  if (request.mode === 'destroy' || request.power?.to === 'stop') return false;
  return [...inputs.observed.vms.values()].some((vm) => vm.state === 'unresponsive' && vm.atWork !== true);
}

/** Why a plan is not the one that was shown, in words for users; undefined when it is. */
export function whatMoved(shown: Plan, now: Plan): string | undefined {
  if (shownPart(shown) === shownPart(now)) return undefined;
  if (canonicalJson(shown.prior) !== canonicalJson(now.prior)) {
    const serial = (plan: Plan): string =>
      plan.prior === undefined ? 'nothing applied yet' : `serial ${plan.prior.serial}`;
    return `The state moved since the plan was made: ${serial(shown)} then, ${serial(now)} now.`;
  }
  const before = new Map(shown.changes.map((change) => [change.address, canonicalJson(change)]));
  const after = new Map(now.changes.map((change) => [change.address, canonicalJson(change)]));
  const differing = [...new Set([...before.keys(), ...after.keys()])].filter(
    (address) => before.get(address) !== after.get(address),
  );
  const drifted = [...new Set(now.drift.map((drift) => `${drift.address} ${drift.field}`))];
  if (differing.length > 0)
    return `The plan would be another now for ${differing.slice(0, 10).join(', ')}${drifted.length > 0 ? ` (drift: ${drifted.slice(0, 10).join(', ')})` : ''}.`;
  return 'The file, its variables or this host changed since the plan was made.';
}

async function carryOut(
  workplace: Workplace,
  made: MadePlan,
  options: ApplyOptions,
  removal: boolean,
): Promise<Checked<ApplyResult>> {
  const { plan, opened, shell, inputs } = made;
  const { layout, snapshot } = opened;
  const withRoom = <T>(work: () => Promise<T>): Promise<T> => (removal ? withReserve(layout, work) : work());
  if (!removal) await prepare(workplace, layout);
  const prior = await withRoom(() => settleJournal(layout, snapshot));
  const key = removal ? await soundKey(workplace.home) : await ensureKey(workplace.home);
  const header = headerOf(made, prior);
  const journal = await openJournal(
    layout,
    {
      type: 'open',
      format_version: 1,
      command: commandName(process.argv.slice(2)),
      pid: process.pid,
      atMs: Date.now(),
      ...header,
    },
    { reserved: removal },
  );
  const resources = new Map<Address, ResourceRecord>(
    (prior?.resources ?? []).map((record) => [record.address, record]),
  );
  const outputs = outputsToRecord(inputs, prior, key);
  let result: ApplyResult;
  try {
    const { emit, parallelism, signal, onFailure, timeoutMs } = options;
    const now = (): number => performance.now();
    result = await applyPlan({
      plan,
      resources,
      outputs,
      journal,
      performers: performersOf(shell),
      emit,
      parallelism,
      signal,
      now,
      ...(onFailure === undefined ? {} : { onFailure }),
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  } finally {
    await journal.close();
  }
  const complete = result.status === 'complete';
  const state: State = {
    format_version: 1,
    ...header,
    resources: [...resources.values()],
    outputs: complete ? outputs : (prior?.outputs ?? {}),
  };
  await withRoom(() => writeState(layout, state));
  await (await import('./image-usage.ts')).releaseCopies(layout.home, prior, state);
  // As if nothing had ever been applied: after a destroy, and after a first apply that was rolled back.
  if (resources.size === 0 && (plan.mode === 'destroy' || prior === undefined)) await removeState(layout);
  // What was cut off it, or a state that has grown: where there is no room now, the next apply that finds some does it.
  else await keepReserve(layout, Buffer.byteLength(JSON.stringify(state))).catch(() => undefined);
  // What there was to warn of was told with the plan.
  return ok(result);
}

/**
 * Outputs of the file; those that are recorded without a sound key, which only a removal goes on without, and after a power
 * command, which plans no outputs.
 */
function outputsToRecord(
  inputs: MadePlan['inputs'],
  prior: State | undefined,
  key: HomeKey | undefined,
): State['outputs'] {
  if (inputs.options.only) return prior?.outputs ?? {};
  if (key !== undefined) return recordedOutputs(inputs, (text) => keyedHash(key, text));
  return inputs.mode === 'destroy' ? {} : (prior?.outputs ?? {});
}

/** What is done before anything is recorded, but not by a removal, which is to work on a full disk. */
async function prepare(workplace: Workplace, layout: SandboxLayout): Promise<void> {
  if (workplace.known.changed) await rememberHost(workplace);
  await keepReserve(layout).catch(homeFailure(`keep room for a removal in ${layout.reservePath}`));
}

async function rememberHost(workplace: Workplace): Promise<void> {
  const { vmms, digests } = workplace.known;
  await writeKnown(workplace.home, {
    ...(vmms === undefined ? {} : { vmms }),
    ...(digests === undefined ? {} : { digests }),
  });
}

/** Who this state is. A destroy without the file keeps what is recorded. */
function headerOf(made: MadePlan, prior: State | undefined): Omit<State, 'format_version' | 'resources' | 'outputs'> {
  const { layout } = made.opened;
  const sources = made.inputs.options.only ? undefined : made.opened.sources;
  return {
    sbx_version: sbxVersion,
    lineage: prior?.lineage ?? randomUUID(),
    serial: prior?.serial ?? 0,
    name: layout.name,
    ...(layout.instance === undefined ? {} : { instance: layout.instance }),
    folder: sources?.folder ?? prior?.folder ?? '/',
    files: sources?.files ?? prior?.files ?? [],
  };
}
