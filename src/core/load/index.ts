// Text of one or several files to a checked document: parse, merge, check against the schema.
import { type Checked, checkedFrom } from '../checked.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import type { Aspect, Document, Path, Source } from './document.ts';
import { validateSandbox } from './generated/validate.js';
import { mergeMaps } from './merge.ts';
import { type PlaceFinder, placeFinder } from './places.ts';
import type { RawSandbox } from './raw.ts';
import { schemaProblems } from './schema-problems.ts';
import { parseYamlMap } from './yaml.ts';

export type { Aspect, Document, Path, Source } from './document.ts';
export { parseYamlMap } from './yaml.ts';

/**
 * Reads sandbox files, later ones over earlier ones: maps merge, lists and single values replace, null removes.
 * Never throws on any text; all problems are given together: SBX1003, SBX11xx (syntax), SBX12xx (schema).
 */
export function loadDocument(sources: readonly Source[]): Checked<Document> {
  const diagnostics: Diagnostic[] = [];
  const maps: Readonly<Record<string, unknown>>[] = [];
  for (const source of sources) {
    const parsed = parseYamlMap(source);
    if (parsed.ok) maps.push(parsed.value);
    else diagnostics.push(...parsed.diagnostics);
  }
  const [first, ...rest] = maps;
  if (first === undefined || diagnostics.length > 0) {
    if (sources.length === 0) diagnostics.push(diagnostic('SBX1002', { detail: 'No file was given.' }));
    return checkedFrom(() => documentOf({}, sources), diagnostics);
  }
  const root = rest.reduce(mergeMaps, first);
  const document = documentOf(root, sources);
  if (!validateSandbox(root)) diagnostics.push(...placed(document, root));
  return checkedFrom(() => document, diagnostics);
}

function placed(document: Document, root: unknown): readonly Diagnostic[] {
  return schemaProblems(validateSandbox.errors ?? [], root, []).map(({ diagnostic: problem, path, aspect }) => {
    const place = document.place(path, aspect);
    return place === undefined ? problem : { ...problem, place };
  });
}

function documentOf(root: Readonly<Record<string, unknown>>, sources: readonly Source[]): Document {
  let finders: readonly PlaceFinder[] | undefined;
  const find = (path: Path, aspect: Aspect) => {
    // The last file that has the path is where its value came from
    finders ??= sources.map(placeFinder).reverse();
    return finders
      .map((finder) => finder.find(path, aspect))
      .reduce((best, found) => (found.depth > best.depth ? found : best));
  };
  return {
    root: root as unknown as RawSandbox,
    sources,
    place: (path, aspect = 'value') => find(path, aspect).place,
    exactPlace: (path, aspect = 'value') => {
      const found = find(path, aspect);
      return found.depth === path.length ? found.place : undefined;
    },
  };
}
