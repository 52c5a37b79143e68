// Text of one or several files to a checked document: parse, merge, check against the schema.
import { type Checked, checkedFrom } from '../checked.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import type { Aspect, Document, Path, Source } from './document.ts';
import { validateSandbox } from './generated/validate.js';
import { mergeFiles, takeRemovals } from './merge.ts';
import { type PlaceFinder, placeFinder } from './places.ts';
import type { RawSandbox } from './raw.ts';
import { nameOf, type SchemaProblem, schemaProblems } from './schema-problems.ts';
import { isQuiet, withSecretBlocks, withSecretLines } from './secret-lines.ts';
import { type Inexact, settleFile } from './settle.ts';
import { isTree } from './spelled.ts';
import { parseYamlMap } from './yaml.ts';

export type { Aspect, Document, Path, Source } from './document.ts';
export { parseYamlMap } from './yaml.ts';

/**
 * Reads sandbox files, later ones over earlier ones: maps merge, lists and single values replace, null removes.
 * Never throws on any text; all problems are given together: SBX1003, SBX11xx (syntax), SBX12xx (schema).
 */
export function loadDocument(sources: readonly Source[]): Checked<Document> {
  const parsed = parseAll(sources);
  if (!parsed.ok) return parsed;
  const [first = {}, ...rest] = parsed.value;
  const shortened = withoutRemovals(rest.reduce(mergeFiles, first), sources.length > 1);
  const { value, inexact, defaults } = settleFile(shortened.root);
  const root = value as Readonly<Record<string, unknown>>;
  const document = documentOf({ ...shortened, root, defaults }, sources);
  const quiet = isQuiet(root);
  const problems = inexact.map((each) => inexactProblem(each, quiet(each.path)));
  const said = new Set(problems.map(({ path }) => path.join('/')));
  if (!validateSandbox(root))
    problems.push(...problemsOf(root, shortened.removals).filter(({ path }) => !said.has(path.join('/'))));
  return checkedFrom(
    () => document,
    problems.map((problem) => placed(document, problem)),
  );
}

/** The maps of all sources. */
function parseAll(sources: readonly Source[]): Checked<readonly Readonly<Record<string, unknown>>[]> {
  const diagnostics: Diagnostic[] = [];
  const maps: Readonly<Record<string, unknown>>[] = [];
  if (sources.length === 0) diagnostics.push(diagnostic('SBX1002', { detail: 'No file was given.' }));
  for (const source of sources) {
    const parsed = parseYamlMap(source);
    if (parsed.ok) maps.push(parsed.value);
    // What is sensitive is not known of a file that cannot be read.
    else diagnostics.push(...problemsIn(source, sources));
  }
  return checkedFrom(() => maps, diagnostics);
}

function problemsIn(source: Source, sources: readonly Source[]): readonly Diagnostic[] {
  const parsed = parseYamlMap(withSecretBlocks(sources)[sources.indexOf(source)] ?? source);
  return parsed.ok ? [] : parsed.diagnostics;
}

type Removals = ReadonlyMap<string, readonly Path[]>;

/**
 * VMs without the keys that null takes away. In one file alone a VM can take them away from its template only: a null without
 * one is left for the schema to object to.
 */
function withoutRemovals(
  root: Readonly<Record<string, unknown>>,
  merged: boolean,
): { readonly root: Readonly<Record<string, unknown>>; readonly removals: Removals } {
  const removals = new Map<string, readonly Path[]>();
  const { vms } = root;
  if (!isTree(vms)) return { root, removals };
  const shorter: Record<string, unknown> = {};
  for (const [name, vm] of Object.entries(vms)) {
    const taken = isTree(vm) && (merged || vm['template'] !== undefined) ? takeRemovals(vm) : undefined;
    if (taken === undefined || taken.removals.length === 0) continue;
    removals.set(name, taken.removals);
    shorter[name] = taken.vm;
  }
  return removals.size === 0 ? { root, removals } : { root: { ...root, vms: { ...vms, ...shorter } }, removals };
}

/** What a VM needs beside a key that it takes away, its template may have: such a VM is checked again once both are merged. */
function problemsOf(root: unknown, removals: Removals): readonly SchemaProblem[] {
  const around = new Set(
    [...removals].flatMap(([vm, paths]) => paths.map((path) => ['vms', vm, ...path.slice(0, -1)].join('/'))),
  );
  const errors = (validateSandbox.errors ?? []).filter(
    ({ keyword, instancePath }) => keyword !== 'required' || !around.has(instancePath.slice(1)),
  );
  return schemaProblems(errors, root, [], isQuiet(root));
}

function inexactProblem({ path, spelled }: Inexact, quiet: boolean): SchemaProblem {
  const shown = quiet ? 'what stands there' : spelled.length > 60 ? `${spelled.slice(0, 57)}…` : spelled;
  const detail = `${nameOf(path)} is a number, and ${shown} cannot be held exactly.`;
  return { diagnostic: diagnostic('SBX1204', { detail, hint: 'write it with fewer digits' }), path, aspect: 'value' };
}

function placed(document: Document, { diagnostic: problem, path, aspect }: SchemaProblem): Diagnostic {
  const place = document.place(path, aspect);
  return place === undefined ? problem : { ...problem, place };
}

interface Parts {
  readonly root: Readonly<Record<string, unknown>>;
  readonly removals: Removals;
  readonly defaults: ReadonlyMap<string, string>;
}

function documentOf({ root, removals, defaults }: Parts, sources: readonly Source[]): Document {
  let finders: readonly PlaceFinder[] | undefined;
  const find = (path: Path, aspect: Aspect) => {
    // The last file that has the path is where its value came from
    finders ??= withSecretLines(sources, root).map(placeFinder).reverse();
    return finders
      .map((finder) => finder.find(path, aspect))
      .reduce((best, found) => (found.depth > best.depth ? found : best));
  };
  return {
    root: root as unknown as RawSandbox,
    sources,
    removals,
    defaults,
    place: (path, aspect = 'value') => find(path, aspect).place,
    exactPlace: (path, aspect = 'value') => {
      const found = find(path, aspect);
      return found.depth === path.length ? found.place : undefined;
    },
  };
}
