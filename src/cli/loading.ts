// From the options to what the file says: sources read at the rim, expanded with what earlier applies chose.
import { type Checked, failed, ok } from '../core/checked.ts';
import type { Desired } from '../core/desired.ts';
import { expand } from '../core/expand/index.ts';
import { readListeners } from '../host/listeners.ts';
import type { SandboxLayout } from '../store/home.ts';
import { readReservations } from '../store/host-file.ts';
import { readSnapshot, type Snapshot } from '../store/snapshot.ts';
import { checkFolder } from '../store/state-file.ts';
import { allocationsOf } from './allocations.ts';
import { sourcesOf } from './load-file.ts';
import type { Loaded as Sources } from './read-sources.ts';
import { layoutOf, namedSandbox, type Workplace } from './session.ts';

/** A sandbox with its file and its state. */
export interface Opened {
  readonly layout: SandboxLayout;
  readonly snapshot: Snapshot;
  /** Absent when the sandbox was named with --sandbox and no file was read */
  readonly desired?: Desired;
  readonly sources?: Sources;
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
  return sources.ok ? await openByFile(workplace, sources.value, sources.warnings, request) : sources;
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
  if (!desired.ok) {
    // What was applied can be looked at and removed without the values, secrets among them, that its file asks for.
    if (needsFile || state === undefined) return desired;
    return ok({ layout: layout.value, snapshot: snapshot.value, sources, reserved }, [
      ...(warnings ?? []),
      ...reservations.warnings,
    ]);
  }
  return ok({ layout: layout.value, snapshot: snapshot.value, desired: desired.value, sources, reserved }, [
    ...(warnings ?? []),
    ...reservations.warnings,
    ...desired.warnings,
  ]);
}
