// What the file says by itself: read at the rim and expanded, with nothing else of this host. All that validate needs.
import { type Checked, ok } from '../core/checked.ts';
import type { Desired } from '../core/desired.ts';
import { expand } from '../core/expand/index.ts';
import { noAllocations } from '../core/expand/inputs.ts';
import { readSources, type Loaded as Sources } from './read-sources.ts';
import type { GlobalOptions } from './services.ts';

/** Reads the sources that the options name. */
export async function sourcesOf(options: GlobalOptions): Promise<Checked<Sources>> {
  const { files, cwd, vars, varFiles, environmentVars, allowPaths, instance, allowPublicPorts } = options;
  return await readSources({
    files,
    cwd,
    vars: vars.map(({ name, value }) => `${name}=${value}`),
    varFiles,
    environment: Object.fromEntries(Object.entries(environmentVars).map(([name, value]) => [`SBX_VAR_${name}`, value])),
    allowPaths,
    allowPublicPorts,
    ...(instance === undefined ? {} : { instance }),
  });
}

/** What the file says by itself, as if nothing was ever applied. */
export async function loadAlone(
  options: GlobalOptions,
): Promise<Checked<{ readonly desired: Desired; readonly sources: Sources }>> {
  const sources = await sourcesOf(options);
  if (!sources.ok) return sources;
  const desired = expand(sources.value.document, { ...sources.value.expandInputs, allocations: noAllocations });
  if (!desired.ok) return desired;
  return ok({ desired: desired.value, sources: sources.value }, [...sources.warnings, ...desired.warnings]);
}
