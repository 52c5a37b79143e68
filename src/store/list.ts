// All sandboxes of a home, for gc and status --all.
import { readdir } from 'node:fs/promises';
import type { Checked } from '../core/checked.ts';
import { errnoOf } from '../core/errors.ts';
import { type Home, parseSandboxId, type SandboxLayout, sandboxLayout, statesDir } from './home.ts';
import { homeError } from './home-failure.ts';
import { readSnapshot, type Snapshot } from './snapshot.ts';

/** One sandbox of a home, whether its state can be read or not. */
export interface ListedSandbox {
  readonly layout: SandboxLayout;
  readonly snapshot: Checked<Snapshot>;
}

/** All sandboxes of a home in order of their ids. */
export async function listSandboxes(home: Home): Promise<readonly ListedSandbox[]> {
  const listed: ListedSandbox[] = [];
  for (const layout of await listLayouts(home)) listed.push({ layout, snapshot: await readSnapshot(layout) });
  return listed;
}

/** Layouts of the sandboxes that have a state file or, before the end of their first apply, a journal. */
export async function listLayouts(home: Home): Promise<readonly SandboxLayout[]> {
  const names = await readdir(statesDir(home)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return [];
    throw homeError(`read ${statesDir(home)}`, error);
  });
  const ids = new Set(names.flatMap((name) => /^([^.].*)\.(?:json|journal)$/.exec(name)?.[1] ?? []));
  return [...ids].sort().flatMap((id) => {
    const sandbox = parseSandboxId(id);
    const layout = sandbox === undefined ? undefined : sandboxLayout(home, sandbox);
    return layout?.ok ? [layout.value] : [];
  });
}
