// What the file says by itself: read at the rim and expanded, with nothing else of this host. All that validate needs.
import { type Checked, ok } from '../core/checked.ts';
import type { Desired } from '../core/desired.ts';
import { expand } from '../core/expand/index.ts';
import { noAllocations } from '../core/expand/inputs.ts';
import { readSources, type Loaded as Sources } from './read-sources.ts';
import type { GlobalOptions } from './services.ts';

/** Reads the sources that the options name. */
export async function sourcesOf(options: GlobalOptions): Promise<Checked<Sources>> {
  const { files, cwd, vars, varFiles, environmentVars, allowPaths, instance, allowPublicPorts, stdin } = options;
  return await readSources({
    files,
    cwd,
    vars: vars.map(({ name, value }) => `${name}=${value}`),
    varFiles,
    environment: Object.fromEntries(Object.entries(environmentVars).map(([name, value]) => [`SBX_VAR_${name}`, value])),
    allowPaths,
    allowPublicPorts,
    ...(instance === undefined ? {} : { instance }),
    ...(stdin === undefined ? {} : { stdin }),
  });
}

/** What the file says by itself. */
export interface LoadedAlone {
  readonly desired: Desired;
  readonly sources: Sources;
  /** Variables without a value, where that was allowed */
  readonly unknown: readonly string[];
}

/** What the file says by itself, as if nothing was ever applied; with unknown values where that is enough. */
export async function loadAlone(
  options: GlobalOptions,
  { unknownVariables = false }: { readonly unknownVariables?: boolean } = {},
): Promise<Checked<LoadedAlone>> {
  const sources = await sourcesOf(options);
  if (!sources.ok) return sources;
  const inputs = { ...sources.value.expandInputs, allocations: noAllocations, unknownVariables };
  const desired = expand(sources.value.document, inputs);
  if (!desired.ok) return desired;
  const unknown = unknownVariables ? withoutValue(sources.value) : [];
  return ok({ desired: desired.value, sources: sources.value, unknown }, [...sources.warnings, ...desired.warnings]);
}

function withoutValue({ document, expandInputs }: Sources): readonly string[] {
  const { flags, environment, files } = expandInputs.variables;
  const given = [flags, environment, ...files.map(({ values }) => values)];
  return Object.entries(document.root.variables ?? {}).flatMap(([name, variable]) =>
    variable.default === undefined && !given.some((values) => Object.hasOwn(values, name)) ? [name] : [],
  );
}
