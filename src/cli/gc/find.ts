// Finds what nobody needs any more: expired sandboxes, and what processes, folders and reservations no state knows. Writes nothing.
import { join } from 'node:path';
import type { Garbage, GarbageReport, Spared } from '../../core/render/gc-model.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import type { SandboxRecord, State, VmRecord } from '../../core/state/state.ts';
import { readLease } from '../../host/lease.ts';
import { servedIn } from '../../host/listening.ts';
import { isAlive } from '../../host/processes.ts';
import {
  type Home,
  imagesDir,
  parseSandboxId,
  type SandboxLayout,
  sandboxLayout,
  statesDir,
} from '../../store/home.ts';
import { staleReservations } from '../../store/host-file.ts';
import { listSandboxes } from '../../store/list.ts';
import { readLockOwner } from '../../store/lock.ts';
import { entriesOf, isAbandoned, isEmptyFolder } from './entries.ts';
import { type SandboxProcess, sandboxProcesses } from './processes.ts';

export interface FindOptions {
  /** Volumes of sandboxes without a state too */
  readonly purge: boolean;
  /** Wall clock in `ms` since the epoch */
  readonly nowMs: number;
}

/** What is known of one sandbox of the home. */
interface Known {
  readonly layout: SandboxLayout;
  /** Absent when it cannot be read */
  readonly state?: State;
}

interface Survey {
  readonly home: Home;
  /** Sandboxes with a state or a journal, by id */
  readonly known: ReadonlyMap<string, Known>;
  /** Ids that nothing but names on this host tell of, by the names of their run folders */
  readonly ids: ReadonlyMap<string, string>;
  readonly processes: readonly SandboxProcess[];
  /** Names of run folders in which something answers whose process is not among them: in another pid namespace, as a rule */
  readonly served: ReadonlySet<string>;
  readonly spared: Spared[];
}

/** Everything that could go, and what looks so and stays. With `ownLock` locks that this very process holds do not count. */
export async function findGarbage(
  home: Home,
  options: FindOptions,
  { ownLock = false }: { readonly ownLock?: boolean } = {},
): Promise<GarbageReport> {
  const survey = await surveyOf(home);
  const busy = await busySandboxes(survey, ownLock);
  const found = [
    ...(await expired(survey, options.nowMs)),
    ...orphanedProcesses(survey),
    ...(await orphanedFolders(survey, options.purge)),
    ...(await staleReservations(home)).map(({ port, sandbox }) => ({ type: 'port', port, sandbox }) as const),
    ...(await leftFiles(survey)),
  ];
  const inUse = (id: string): boolean => busy.has(id) || survey.served.has(markOf(home, id) ?? '');
  return { found: found.filter(({ sandbox }) => sandbox === undefined || !inUse(sandbox)), spared: survey.spared };
}

async function surveyOf(home: Home): Promise<Survey> {
  const spared: Spared[] = [];
  const known = new Map<string, Known>();
  for (const { layout, snapshot } of await listSandboxes(home)) {
    const state = snapshot.ok ? snapshot.value.state : undefined;
    known.set(layout.id, { layout, ...(state === undefined ? {} : { state }) });
    if (!snapshot.ok) spared.push({ what: `sandbox ${layout.id}`, why: snapshot.diagnostics[0].detail });
  }
  const processes = sandboxProcesses(home);
  const folders = await Promise.all(['data', 'backups', 'volumes'].map((name) => entriesOf(join(home.state, name))));
  const names = [...known.keys(), ...folders.flat(), ...processes.flatMap(({ id }) => id ?? [])];
  const ids = new Map<string, string>();
  for (const id of names) {
    const layout = layoutOf(home, id);
    if (layout !== undefined) ids.set(layout.mark, id);
  }
  const served = await servedRuns(home, known, ids, processes, spared);
  return { home, known, ids, processes, served, spared };
}

/** Run folders that no state needs are looked into: whoever removes a socket closes the one door of the VMM behind it. */
async function servedRuns(
  home: Home,
  known: Survey['known'],
  ids: Survey['ids'],
  processes: readonly SandboxProcess[],
  spared: Spared[],
): Promise<ReadonlySet<string>> {
  const seen = new Set(processes.flatMap(({ id, mark }) => mark ?? markOf(home, id) ?? []));
  const served = new Set<string>();
  for (const mark of await entriesOf(home.run)) {
    if (seen.has(mark) || needsFolders(ids.get(mark), known)) continue;
    const answering = await servedIn(join(home.run, mark));
    if (answering === undefined) continue;
    served.add(mark);
    const why = `something answers on ${answering}, and its process cannot be seen from here`;
    spared.push({ what: ids.has(mark) ? `sandbox ${ids.get(mark)}` : `folder ${join(home.run, mark)}`, why });
  }
  return served;
}

function markOf(home: Home, id: string | undefined): string | undefined {
  return id === undefined ? undefined : layoutOf(home, id)?.mark;
}

function layoutOf(home: Home, id: string): SandboxLayout | undefined {
  const name = parseSandboxId(id);
  const layout = name === undefined ? undefined : sandboxLayout(home, name);
  return layout?.ok ? layout.value : undefined;
}

/** Sandboxes that another sbx is at work on. */
async function busySandboxes({ home, known, ids, spared }: Survey, ownLock: boolean): Promise<ReadonlySet<string>> {
  const busy = new Set<string>();
  for (const id of new Set([...known.keys(), ...ids.values()])) {
    const layout = layoutOf(home, id);
    const owner = layout === undefined ? undefined : await readLockOwner(layout.lockPath);
    if (owner === undefined || (ownLock && owner.pid === process.pid)) continue;
    busy.add(id);
    spared.push({ what: `sandbox ${id}`, why: `process ${owner.pid} is at work on it: ${owner.command}` });
  }
  return busy;
}

async function expired({ known }: Survey, nowMs: number): Promise<readonly Garbage[]> {
  const found: Garbage[] = [];
  for (const { layout, state } of known.values()) {
    const record = sandboxOf(state);
    if (record === undefined || record.attrs.expiresMs === null) continue;
    const end = (await readLease(layout.runDir)) ?? record.facts.expiresAtMs;
    if (end !== undefined && end <= nowMs) found.push({ type: 'expired', sandbox: layout.id, sinceMs: nowMs - end });
  }
  return found;
}

function sandboxOf(state: State | undefined): SandboxRecord | undefined {
  return state?.resources.find((record): record is SandboxRecord => record.kind === 'sandbox');
}

function vmsOf(state: State | undefined): readonly VmRecord[] {
  return (state?.resources ?? []).filter((record): record is VmRecord => record.kind === 'vm');
}

function orphanedProcesses(survey: Survey): readonly Garbage[] {
  return survey.processes.flatMap((process): readonly Garbage[] => {
    const id = process.id ?? survey.ids.get(process.mark ?? '');
    const known = id === undefined ? undefined : survey.known.get(id);
    if (known !== undefined && (known.state === undefined || isExpected(process, known.layout, known.state))) return [];
    const { role, program, ref } = process;
    const { pid, startTime } = ref;
    return [{ type: 'process', role, program, pid, startTime, ...(id === undefined ? {} : { sandbox: id }) }];
  });
}

/** Whether a state knows a process, or has none of this role that lives: then the next apply takes it in. */
function isExpected({ ref, role, vm }: SandboxProcess, layout: SandboxLayout, state: State): boolean {
  const sandbox = sandboxOf(state);
  if (role === 'VMM') {
    const record = vmsOf(state).find(({ address }) => layout.vmPaths(address).run === join(layout.runDir, vm ?? ''));
    return record !== undefined && isOrMayBe(ref, record.facts.process);
  }
  if (sandbox === undefined) return false;
  const { keeper, holder, uplink } = sandbox.facts;
  return isOrMayBe(ref, role === 'keeper' ? keeper : role === 'holder' ? holder : uplink);
}

function isOrMayBe(ref: ProcessRef, recorded: ProcessRef | undefined): boolean {
  return !isAlive(recorded) || recorded?.pid === ref.pid;
}

async function orphanedFolders(survey: Survey, purge: boolean): Promise<readonly Garbage[]> {
  const { home, known, ids, served } = survey;
  const runs = (await entriesOf(home.run)).filter((name) => /^[0-9a-f]{10}$/.test(name) && !served.has(name));
  const data = await sandboxFolders(join(home.state, 'data'));
  const backups = await sandboxFolders(join(home.state, 'backups'));
  const strange = [...known.values()].filter(({ state }) => sandboxOf(state) !== undefined);
  return [
    ...runs
      .filter((mark) => !needsFolders(ids.get(mark), known))
      .map((mark) => folder(join(home.run, mark), ids.get(mark))),
    ...data.filter((id) => !needsFolders(id, known)).map((id) => folder(join(home.state, 'data', id), id)),
    ...backups.filter((id) => !known.has(id)).map((id) => folder(join(home.state, 'backups', id), id)),
    ...(await Promise.all(strange.map(({ layout, state }) => strangeVmFolders(layout, vmsOf(state))))).flat(),
    ...(await orphanedVolumes(survey, purge)),
  ];
}

async function sandboxFolders(parent: string): Promise<readonly string[]> {
  return (await entriesOf(parent)).filter((name) => parseSandboxId(name) !== undefined);
}

function folder(path: string, sandbox: string | undefined): Garbage {
  return { type: 'folder', path, ...(sandbox === undefined ? {} : { sandbox }) };
}

/** Whether a sandbox still has something on this host. A state that cannot be read may know anything. */
function needsFolders(id: string | undefined, known: Survey['known']): boolean {
  const found = id === undefined ? undefined : known.get(id);
  return found !== undefined && (found.state === undefined || sandboxOf(found.state) !== undefined);
}

async function strangeVmFolders(layout: SandboxLayout, vms: readonly VmRecord[]): Promise<readonly Garbage[]> {
  const expected = new Set(vms.flatMap(({ address }) => Object.values(layout.vmPaths(address))));
  const data = (await entriesOf(join(layout.dataDir, 'vms'))).map((name) => join(layout.dataDir, 'vms', name));
  const run = (await entriesOf(layout.runDir)).filter((name) => /^[0-9a-f]{8}$/.test(name));
  const paths = [...data, ...run.map((name) => join(layout.runDir, name))];
  return paths.filter((path) => !expected.has(path)).map((path) => ({ type: 'folder', path, sandbox: layout.id }));
}

async function orphanedVolumes({ home, known, spared }: Survey, purge: boolean): Promise<readonly Garbage[]> {
  const found: Garbage[] = [];
  for (const id of await entriesOf(join(home.state, 'volumes'))) {
    if (parseSandboxId(id) === undefined || known.has(id)) continue;
    const path = join(home.state, 'volumes', id);
    // A folder is no volume: it is what is left of those that went.
    if (await isEmptyFolder(path)) found.push(folder(path, id));
    else if (purge) found.push({ type: 'volumes', sandbox: id, path });
    else spared.push({ what: `volumes of ${id} ${path}`, why: 'volumes go only with --purge' });
  }
  return found;
}

/** Lock files of sandboxes that are gone, what a killed sbx was writing, and images that a killed build left. */
async function leftFiles({ home, known }: Survey): Promise<readonly Garbage[]> {
  const states = await entriesOf(statesDir(home));
  const locks = states.flatMap((name): readonly Garbage[] => {
    // The lock, the room for a removal, and a state that was never put in its place.
    const id = /^(?:(.+)\.(?:lock|reserve)|\.(.+)\.json\.tmp)$/.exec(name)?.slice(1).join('');
    if (id === undefined || parseSandboxId(id) === undefined || known.has(id)) return [];
    return [{ type: 'file', path: join(statesDir(home), name), sandbox: id }];
  });
  const abandoned: Garbage[] = [];
  for (const folder of [home.state, statesDir(home)]) {
    for (const name of await entriesOf(folder))
      if (isAbandoned(join(folder, name))) abandoned.push({ type: 'file', path: join(folder, name) });
  }
  const images = imagesDir(home);
  const builds = (await entriesOf(images)).filter((name) => /^[0-9a-f]{32}\.(new|old)-/.test(name));
  return [...locks, ...abandoned, ...builds.map((name) => ({ type: 'build', path: join(images, name) }) as const)];
}
