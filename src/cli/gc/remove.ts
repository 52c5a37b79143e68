// Removes what was found and approved: per sandbox under its lock, and only what a second look under the lock still finds.
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Diagnostic } from '../../core/diagnostic.ts';
import { toDiagnostic } from '../../core/errors.ts';
import { type Garbage, garbageKey, type ProcessRole, type Removal } from '../../core/render/gc-model.ts';
import { bootId, endProcess } from '../../host/processes.ts';
import { withFileLock } from '../../images/lock.ts';
import { parseSandboxId, sandboxLayout } from '../../store/home.ts';
import { releasePorts } from '../../store/host-file.ts';
import { listLayouts } from '../../store/list.ts';
import { acquireLock } from '../../store/lock.ts';
import { applyMade } from '../applying.ts';
import { userWords } from '../command-words.ts';
import { makePlan } from '../planning.ts';
import type { PlanRequest } from '../services.ts';
import { openWorkplace, type Workplace } from '../session.ts';
import { type FindOptions, findGarbage } from './find.ts';

export interface RemoveOptions extends Omit<FindOptions, 'nowMs'> {
  /** How long to wait for another sbx in `ms` */
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** Removes the finds. One that fails does not keep the others. */
export async function removeGarbage(
  workplace: Workplace,
  found: readonly Garbage[],
  options: RemoveOptions,
): Promise<Removal> {
  const removed: Garbage[] = [];
  const failures: Diagnostic[] = [];
  for (const [sandbox, finds] of bySandbox(found)) {
    if (options.signal.aborted) break;
    try {
      failures.push(...(await removeOf(workplace, sandbox, finds, options, removed)));
    } catch (error) {
      failures.push(toDiagnostic(error));
    }
  }
  return { removed, failures };
}

function bySandbox(found: readonly Garbage[]): ReadonlyMap<string | undefined, readonly Garbage[]> {
  const groups = new Map<string | undefined, Garbage[]>();
  for (const garbage of found) {
    const group = groups.get(garbage.sandbox);
    if (group === undefined) groups.set(garbage.sandbox, [garbage]);
    else group.push(garbage);
  }
  return groups;
}

async function removeOf(
  workplace: Workplace,
  sandbox: string | undefined,
  finds: readonly Garbage[],
  options: RemoveOptions,
  removed: Garbage[],
): Promise<readonly Diagnostic[]> {
  if (sandbox === undefined) {
    await removeAgreed(workplace, finds, options, removed);
    return [];
  }
  const name = parseSandboxId(sandbox);
  const layout = name === undefined ? undefined : sandboxLayout(workplace.home, name);
  // A port may be reserved by a name that no sandbox can have: there is no lock for that.
  if (layout?.ok !== true) {
    await removeAgreed(workplace, finds, options, removed);
    return [];
  }
  const expired = finds.find(({ type }) => type === 'expired');
  if (expired !== undefined) {
    const failures = await destroy(workplace, sandbox, options);
    if (failures.length === 0) removed.push(expired);
    return failures;
  }
  const { signal, lockTimeoutMs: timeoutMs } = options;
  const lock = await acquireLock(layout.value.lockPath, {
    timeoutMs,
    owner: { ...owner(), command: 'sbx gc' },
    signal,
  });
  if (!lock.ok) return lock.diagnostics;
  try {
    await removeAgreed(workplace, finds, options, removed);
    // The lock made its file; a sandbox that is gone needs none.
    const known = (await listLayouts(workplace.home)).some(({ id }) => id === sandbox);
    if (!known) await rm(layout.value.lockPath, { force: true });
  } finally {
    lock.value.release();
  }
  return [];
}

function owner(): { readonly user: string } {
  return { user: userWords() };
}

/** The way that every sandbox goes: by a plan of its own. What of it is protected stays. */
async function destroy(
  workplace: Workplace,
  sandbox: string,
  { purge, lockTimeoutMs, signal }: RemoveOptions,
): Promise<readonly Diagnostic[]> {
  const request: PlanRequest = {
    mode: 'destroy',
    targets: [],
    replace: [],
    purge,
    wait: false,
    takeOver: false,
  };
  const { instance: _instance, ...others } = workplace.options;
  const own = await openWorkplace({ ...others, sandbox, files: [] }, workplace.surroundings);
  const made = await makePlan(own, request);
  if (!made.ok) return made.diagnostics;
  const applied = await applyMade(own, request, made.value, {
    emit: () => undefined,
    parallelism: 16,
    lockTimeoutMs,
    signal,
  });
  if (!applied.ok) return applied.diagnostics;
  return applied.value.outcomes.flatMap((outcome) => (outcome.outcome === 'failed' ? [outcome.diagnostic] : []));
}

const roleOrder: readonly ProcessRole[] = ['VMM', 'uplink', 'keeper', 'holder'];

/** What was approved and is still garbage: processes first, guests before what they hang on, then files. */
async function removeAgreed(
  workplace: Workplace,
  approved: readonly Garbage[],
  options: RemoveOptions,
  removed: Garbage[],
): Promise<void> {
  const now = await findGarbage(workplace.home, { purge: options.purge, nowMs: Date.now() }, { ownLock: true });
  const still = new Set(now.found.map(garbageKey));
  const agreed = approved.filter((garbage) => still.has(garbageKey(garbage)));
  const rank = (garbage: Garbage): number =>
    garbage.type === 'process'
      ? roleOrder.indexOf(garbage.role)
      : // Ports are written down: what makes room for that comes before.
        roleOrder.length + (garbage.type === 'port' ? 1 : 0);
  for (const garbage of agreed.toSorted((a, b) => rank(a) - rank(b))) {
    await removeOne(workplace, garbage);
    removed.push(garbage);
  }
}

async function removeOne({ home }: Workplace, garbage: Garbage): Promise<void> {
  switch (garbage.type) {
    case 'process':
      return await endProcess({ pid: garbage.pid, startTime: garbage.startTime, bootId: bootId() });
    case 'port':
      await releasePorts(home, garbage.sandbox);
      return;
    case 'build':
      return await removeBuild(garbage.path);
    case 'folder':
    case 'file':
    case 'volumes':
      return await rm(garbage.path, { recursive: true, force: true });
    case 'expired':
      // Taken care of before: with its own plan and lock.
      return;
  }
}

/** A build that is at work holds the lock of its image: what looks like a leftover is then what it is making. */
async function removeBuild(path: string): Promise<void> {
  const digest = basename(path).slice(0, 32);
  await withFileLock(join(dirname(path), `.${digest}.lock`), () => rm(path, { recursive: true, force: true }), {
    timeoutMs: 0,
  });
}
