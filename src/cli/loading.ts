// From the options to what the file says: sources read at the rim, expanded with what earlier applies chose.
import { type Checked, failed, type NonEmpty, ok } from '../core/checked.ts';
import type { Desired } from '../core/desired.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { expand } from '../core/expand/index.ts';
import { sandboxTitle } from '../core/render/plan-model.ts';
import { readListeners } from '../host/listeners.ts';
import type { SandboxLayout } from '../store/home.ts';
import { readReservations } from '../store/host-file.ts';
import { readSnapshot, type Snapshot } from '../store/snapshot.ts';
import { checkFolder } from '../store/state-file.ts';
import { allocationsOf } from './allocations.ts';
import { formerOf, type SandboxSummary, sandboxesOfFolder } from './former.ts';
import { sourcesOf } from './load-file.ts';
import type { Loaded as Sources } from './read-sources.ts';
import { layoutOf, namedSandbox, type Workplace } from './session.ts';
import { sandboxFolder } from './source-files.ts';

/** A sandbox with its file and its state. */
export interface Opened {
  readonly layout: SandboxLayout;
  readonly snapshot: Snapshot;
  /** Absent when the sandbox was named with --sandbox and no file was read */
  readonly desired?: Desired;
  readonly sources?: Sources;
  /** What the same file was applied as before its name was changed, when that is still there */
  readonly former?: SandboxSummary;
  /** Ports that other sandboxes of this home have reserved */
  readonly reserved: ReadonlyMap<string, string>;
}

/** The name of the sandbox, which the schema wants as it is, without references. */
function nameOf(sources: Sources): string {
  return sources.document.root.name ?? '';
}

/** Opens a sandbox: by its file, or by name alone where `needsFile` is false. */
export async function openSandbox(
  workplace: Workplace,
  request: { readonly needsFile: boolean; readonly takeOver: boolean },
): Promise<Checked<Opened>> {
  const named = namedSandbox(workplace.options);
  if (!named.ok) return named;
  if (named.value !== undefined && !request.needsFile) return await openByName(workplace, named.value);
  const sources = await sourcesOf(workplace.options);
  if (sources.ok) return await openByFile(workplace, sources.value, sources.warnings, request);
  // A command line that is wrong is no reason to go by anything else.
  const misused = sources.diagnostics.some(({ code }) => code.startsWith('SBX0'));
  return request.needsFile || misused ? sources : await openByFolder(workplace, sources.diagnostics);
}

/** The sandbox that was applied from this folder, where its file cannot be read any more. */
async function openByFolder(workplace: Workplace, problems: NonEmpty<Diagnostic>): Promise<Checked<Opened>> {
  const { options } = workplace;
  const [only, ...others] = await sandboxesOfFolder(workplace.home, sandboxFolder(options), options.instance);
  if (only === undefined || others.length > 0) return failed(...problems, unnamed([only, ...others]));
  const opened = await openByName(workplace, only.sandbox);
  if (!opened.ok) return opened;
  const [first] = problems;
  const at = first.place === undefined ? '' : ` at ${first.place.file}:${first.place.line}`;
  const { id } = opened.value.layout;
  const warning = diagnostic('SBX4030', {
    detail: `The file cannot be used (${first.code}${at}): going by "${id}", which was applied from this folder.`,
    hint: `See what is wrong with the file:\nsbx validate\nOr name the sandbox:\n--sandbox ${id}`,
  });
  return ok(opened.value, [...opened.warnings, warning]);
}

function unnamed(candidates: readonly (SandboxSummary | undefined)[]): Diagnostic {
  const ids = candidates.flatMap((each) => (each === undefined ? [] : [sandboxTitle(each.sandbox)]));
  const detail =
    ids.length === 0
      ? 'Nothing that was applied from this folder tells which sandbox is meant.'
      : `Several sandboxes were applied from this folder: ${ids.join(', ')}.`;
  const hint = `Name the sandbox:\n--sandbox ${ids[0] ?? 'NAME'}\nSee which there are:\nsbx status --all`;
  return diagnostic('SBX4031', { detail, hint });
}

async function openByName(workplace: Workplace, name: { readonly name: string }): Promise<Checked<Opened>> {
  const layout = layoutOf(workplace, name);
  if (!layout.ok) return layout;
  const snapshot = await readSnapshot(layout.value);
  return snapshot.ok ? ok({ layout: layout.value, snapshot: snapshot.value, reserved: new Map() }) : snapshot;
}

async function openByFile(
  workplace: Workplace,
  sources: Sources,
  warnings: Parameters<typeof ok>[1],
  { needsFile, takeOver }: { readonly needsFile: boolean; readonly takeOver: boolean },
): Promise<Checked<Opened>> {
  const { instance } = workplace.options;
  const layout = layoutOf(workplace, { name: nameOf(sources), ...(instance === undefined ? {} : { instance }) });
  if (!layout.ok) return layout;
  const [snapshot, reservations] = await Promise.all([readSnapshot(layout.value), readReservations(workplace.home)]);
  if (!snapshot.ok) return snapshot;
  const { state } = snapshot.value;
  const foreign = state === undefined || takeOver ? undefined : await checkFolder(state, sources.folder);
  if (foreign !== undefined) return failed(foreign);
  const reserved = new Map([...reservations.reserved].filter(([, who]) => who !== layout.value.id));
  let taken: ReadonlySet<string> | undefined;
  const allocations = allocationsOf(state, {
    reserved,
    salt: layout.value.mark,
    taken: () => {
      taken ??= new Set([...readListeners(), ...reserved.keys()]);
      return taken;
    },
  });
  const desired = expand(sources.document, { ...sources.expandInputs, allocations });
  const former = state === undefined ? await formerOf(workplace.home, sources, layout.value) : undefined;
  const opened: Opened = {
    layout: layout.value,
    snapshot: snapshot.value,
    sources,
    reserved,
    ...(former === undefined ? {} : { former }),
  };
  // What was applied can be looked at and removed without the values, secrets among them, that its file asks for.
  const told = [...(warnings ?? []), ...reservations.warnings];
  if (!desired.ok) return needsFile ? desired : ok(opened, told);
  return ok({ ...opened, desired: desired.value }, [...told, ...desired.warnings]);
}
