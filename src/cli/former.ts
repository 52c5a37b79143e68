// Sandboxes of this home by what their states say: which folder and files they came from, and what of them runs.
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { sandboxTitle } from '../core/render/plan-model.ts';
import type { SandboxSummary } from '../core/render/status-model.ts';
import type { State, VmRecord } from '../core/state/state.ts';
import { readLease } from '../host/lease.ts';
import { isRunning } from '../host/processes.ts';
import type { Home, SandboxLayout } from '../store/home.ts';
import { type ListedSandbox, listSandboxes } from '../store/list.ts';
import { readLockOwner } from '../store/lock.ts';
import { checkFolder } from '../store/state-file.ts';
import type { Loaded as Sources } from './read-sources.ts';
import type { PlanRequest } from './services.ts';

export type { SandboxSummary } from '../core/render/status-model.ts';

/** Every sandbox of a home, in order of their ids. Reads states, leases and /proc; asks no VMM. */
export async function summariesOf(home: Home, nowMs: number): Promise<readonly SandboxSummary[]> {
  const summaries: SandboxSummary[] = [];
  for (const listed of await listSandboxes(home)) summaries.push(await summaryOf(listed, nowMs));
  return summaries;
}

async function summaryOf({ layout, snapshot }: ListedSandbox, nowMs: number): Promise<SandboxSummary> {
  const { name, instance } = layout;
  const [leaseEndMs, busy] = await Promise.all([readLease(layout.runDir), readLockOwner(layout.lockPath)]);
  const state = snapshot.ok ? snapshot.value.state : undefined;
  return {
    sandbox: { name, ...(instance === undefined ? {} : { instance }) },
    ...(state === undefined ? {} : { folder: state.folder }),
    vms: countVms(state),
    ...(leaseEndMs === undefined ? {} : { leaseMs: leaseEndMs - nowMs }),
    ...(busy === undefined ? {} : { busy }),
    ...(snapshot.ok ? {} : { problem: snapshot.diagnostics[0].detail }),
  };
}

function countVms(state: State | undefined): SandboxSummary['vms'] {
  const records = (state?.resources ?? []).filter((record): record is VmRecord => record.kind === 'vm');
  return { total: records.length, running: records.filter(({ facts }) => isRunning(facts.process)).length };
}

/** Sandboxes that were applied from a folder, of one instance. */
export async function sandboxesOfFolder(
  home: Home,
  folder: string,
  instance: string | undefined,
): Promise<readonly SandboxSummary[]> {
  return await matching(home, instance, async (state) => (await checkFolder(state, folder)) === undefined);
}

/** What the same file was applied as under another name, when that is still there. */
export async function formerOf(
  home: Home,
  sources: Sources,
  layout: SandboxLayout,
): Promise<SandboxSummary | undefined> {
  const [file] = sources.files;
  const found = await matching(home, layout.instance, async (state) => {
    return state.name !== layout.name && state.files[0] === file && state.resources.length > 0;
  });
  return found[0];
}

async function matching(
  home: Home,
  instance: string | undefined,
  isMeant: (state: State) => Promise<boolean>,
): Promise<readonly SandboxSummary[]> {
  const found: SandboxSummary[] = [];
  for (const listed of await listSandboxes(home)) {
    const state = listed.snapshot.ok ? listed.snapshot.value.state : undefined;
    if (state === undefined || state.instance !== instance || !(await isMeant(state))) continue;
    found.push(await summaryOf(listed, Date.now()));
  }
  return found;
}

/** Says that another name is another sandbox, and that the one before is still there. */
export function formerWarning(former: SandboxSummary, { mode }: PlanRequest): Diagnostic {
  const id = sandboxTitle(former.sandbox);
  const { running, total } = former.vms;
  const vms = total === 0 ? 'no VMs' : `${total === 1 ? '1 VM' : `${total} VMs`}, ${running} running`;
  const detail = `This file was applied as "${id}" before its name was changed, and that sandbox is still there: ${vms}.`;
  const keep = `To keep it, write name: ${former.sandbox.name} again. To remove it:`;
  const hint = mode === 'destroy' ? 'To remove that one:' : keep;
  return diagnostic('SBX4032', { detail, hint: `${hint}\nsbx destroy --sandbox ${id}` });
}
