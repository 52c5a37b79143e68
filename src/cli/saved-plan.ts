// Saved plans: a promise about a file and a host, not a script. Opening one makes the plan again and compares.
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { typedValue } from '../core/expand/typed-value.ts';
import type { Json } from '../core/json.ts';
import { own } from '../core/load/raw.ts';
import { readPlanFile, type SavedPlan, writePlanFile } from '../store/plan-file.ts';
import { applyMade, whatMoved } from './applying.ts';
import { type MadePlan, makePlan } from './planning.ts';
import type { Loaded as Sources } from './read-sources.ts';
import type { Planned, PlanRequest } from './services.ts';
import { openWorkplace, type Workplace } from './session.ts';

/** Writes a plan with all that is needed to make it again. Sensitive values are left out and have to be given again. */
export async function savePlan(
  workplace: Workplace,
  request: PlanRequest,
  made: MadePlan,
  path: string,
): Promise<void> {
  const { sources, snapshot } = made.opened;
  const { vmm, instance, allowPaths, allowPublicPorts, allowHostLoopback } = workplace.options;
  const saved: SavedPlan = {
    format_version: 1,
    plan: made.plan,
    fileDigest: sources?.digest() ?? '',
    vars: sources === undefined ? {} : plainVariables(sources),
    files: sources?.files ?? [],
    vmm,
    stamp: snapshot.stamp,
    request,
    ...(instance === undefined ? {} : { instance }),
    allowPaths,
    allowPublicPorts,
    allowHostLoopback,
  };
  await writePlanFile(path, saved, workplace.home);
}

/** A saved plan, ready to be applied. SBX3001 says what moved since. */
export async function openSavedPlan(workplace: Workplace, path: string): Promise<Checked<Planned>> {
  const read = await readPlanFile(path, workplace.home);
  if (!read.ok) return read;
  const saved = read.value;
  const again = await workplaceOf(workplace, saved);
  const made = await makePlan(again, saved.request);
  if (!made.ok) return made;
  if ((made.value.opened.sources?.digest() ?? '') !== saved.fileDigest) {
    return failed(stale('The file, or a file or variable that it uses, changed since the plan was saved.'));
  }
  const moved = whatMoved(saved.plan, made.value.plan);
  if (moved !== undefined) return failed(stale(moved));
  const planned: Planned = {
    plan: made.value.plan,
    apply: (options) => applyMade(again, saved.request, made.value, options),
    save: (target) => savePlan(again, saved.request, made.value, target),
  };
  return ok(planned, made.value.warnings);
}

function stale(detail: string): ReturnType<typeof diagnostic> {
  return diagnostic('SBX3001', { detail, hint: 'Plan again:\nsbx plan' });
}

/** The workplace as it was when the plan was saved; values given now add to those that were kept. */
async function workplaceOf(workplace: Workplace, saved: SavedPlan): Promise<Workplace> {
  const { options } = workplace;
  const kept = Object.entries(saved.vars).map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? value : JSON.stringify(value),
  }));
  const again = {
    ...options,
    files: saved.files,
    vars: [...kept, ...options.vars],
    ...(saved.instance === undefined ? {} : { instance: saved.instance }),
    ...(saved.vmm === undefined ? {} : { vmm: saved.vmm }),
    allowPaths: saved.allowPaths,
    allowPublicPorts: saved.allowPublicPorts,
    allowHostLoopback: saved.allowHostLoopback,
  };
  return await openWorkplace(again, workplace.surroundings);
}

/** Values given for variables that the file does not call sensitive. */
function plainVariables(sources: Sources): Readonly<Record<string, Json>> {
  const { flags, files } = sources.expandInputs.variables;
  const given: Record<string, unknown> = Object.assign({}, ...files.map((file) => file.values), flags);
  const plain = Object.entries(given).flatMap(([name, value]) => {
    const variable = own(sources.document.root.variables, name) ?? {};
    if (variable.sensitive === true) return [];
    const typed = typedValue(variable, value);
    return [[name, typed.text ?? typed.value] as const];
  });
  return Object.fromEntries(plain) as Readonly<Record<string, Json>>;
}
