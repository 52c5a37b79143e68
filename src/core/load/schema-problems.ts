// What the generated validators object to, in words for users, with the nearest known key or word.
import { type Diagnostic, diagnostic, type Particulars } from '../diagnostic.ts';
import type { Aspect, Path } from './document.ts';
import { definitions, type Outline, outline } from './generated/outline.js';
import type { SchemaError } from './generated/validate.js';
import { nearest } from './nearest.ts';
import { quoted } from './quote.ts';
import { isMap, own } from './raw.ts';

/** Most diagnostics that one check gives; one more says how many are left out. */
export const mostProblems = 100;

/** A schema error with its place still as a path into the file. */
export interface SchemaProblem {
  readonly diagnostic: Diagnostic;
  readonly path: Path;
  readonly aspect: Aspect;
}

/** Keys that belong to parts of sbx that this version does not have. */
const notYet = new Set(['snapshots', 'cloud_init', 'dns', 'egress', 'from', 'url', 'sha256', 'boot', 'user_data']);

/** The problems of a value that failed a validator, at most `mostProblems`; `prefix` is the path of the value. */
export function schemaProblems(errors: readonly SchemaError[], value: unknown, prefix: Path): readonly SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const error of errors) {
    if (problems.length === mostProblems) break;
    const path = error.instancePath.split('/').slice(1).map(unescapePointer);
    const found = valueAt(value, path);
    if (!isConsequence(error, found)) problems.push(problemOf(error, found, [...prefix, ...path]));
  }
  const [last] = problems.slice(-1);
  if (problems.length === mostProblems && last !== undefined && errors.length > mostProblems)
    problems.push({ ...last, diagnostic: tooMany(errors.length - mostProblems) });
  return problems;
}

/** Says that more was found than is shown. */
export function tooMany(left: number): Diagnostic {
  return diagnostic('SBX1206', { detail: `${left} more are not shown.` });
}

/** Says that so much was found that nobody looked for the rest. */
export function stoppedLooking(left: number): Diagnostic {
  const more = left === 0 ? '' : `${left} more are not shown. `;
  return diagnostic('SBX1206', { detail: `${more}There may be others: so many were found that sbx stopped looking.` });
}

/** Errors inside a branch or about the letters of a name are said by the error around them. */
function isConsequence(error: SchemaError, value: unknown): boolean {
  return /\/anyOf\/[0-9]+\//.test(error.schemaPath) || (error.keyword === 'pattern' && typeof value !== 'string');
}

/** The outline of the value at a path of the file. */
function outlineAt(path: Path): Outline {
  let at = outline;
  for (const step of path) {
    const next = own(at.properties, String(step)) ?? (typeof step === 'number' ? at.items : undefined);
    at = merged(next ?? at.additionalProperties ?? at.items ?? {});
  }
  return at;
}

/** What stands beside a reference wins over what it leads to. */
function merged(node: Outline): Outline {
  const target = node.ref === undefined ? undefined : definitions[node.ref];
  return target === undefined ? node : { ...merged(target), ...node };
}

function unescapePointer(step: string): string {
  return step.replaceAll('~1', '/').replaceAll('~0', '~');
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (Array.isArray(at)) at = at[Number(step)];
    else at = isMap(at) && Object.hasOwn(at, step) ? at[step] : undefined;
  }
  return at;
}

function problemOf(error: SchemaError, value: unknown, path: Path): SchemaProblem {
  const here = outlineAt(path);
  const make = (code: Diagnostic['code'], particulars: Particulars, at = path, aspect: Aspect = 'value') => ({
    diagnostic: diagnostic(code, particulars),
    path: at,
    aspect,
  });
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty']);
      return make('SBX1201', unknownKey(key, path, Object.keys(here.properties ?? {})), [...path, key], 'key');
    }
    case 'required':
      return make('SBX1202', { detail: `${nameOf(path)} needs "${error.params['missingProperty']}".` }, path, 'key');
    case 'propertyNames': {
      const key = String(error.params['propertyName']);
      const wanted = merged(here.propertyNames ?? {}).title ?? 'a valid name here';
      return make('SBX1205', { detail: `${quoted(key)} is not ${wanted}.` }, [...path, key], 'key');
    }
    case 'type':
      return make('SBX1203', wrongType(error, value, path, here.title));
    default:
      return make('SBX1204', invalidValue(error, value, path, here));
  }
}

function unknownKey(key: string, path: Path, known: readonly string[]): Particulars {
  const detail = `${nameOf(path)} has no key ${quoted(key)}.`;
  const near = nearest(key, known);
  if (near !== undefined) return { detail, hint: `did you mean "${near}"?` };
  if (key === '<<') return { detail, hint: 'merge keys are not part of YAML 1.2: use templates' };
  if (notYet.has(key)) return { detail, hint: 'this version of sbx does not have it' };
  return { detail, hint: known.length === 0 ? 'remove it' : `known keys: ${known.join(', ')}` };
}

function wrongType(error: SchemaError, value: unknown, path: Path, title: string | undefined): Particulars {
  const types = error.params['type'];
  const wanted = title ?? namesOfTypes(Array.isArray(types) ? types.map(String) : [String(types)]);
  const detail = `${nameOf(path)} takes ${wanted}, not ${value === null ? 'nothing' : quoted(value)}.`;
  if (value === null && String(types).includes('object')) return { detail, hint: 'for an empty map write {}' };
  if (typeof value === 'number' && /size|duration/.test(wanted)) return { detail, hint: 'write the unit too' };
  const text = typeof value === 'string' && String(types) === 'integer,string';
  return text ? { detail, hint: 'write it without quotes' } : { detail };
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'a map',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
};

function namesOfTypes(types: readonly string[]): string {
  return types.map((type) => typeNames[type] ?? type).join(' or ');
}

function invalidValue(error: SchemaError, value: unknown, path: Path, here: Outline): Particulars {
  const words = error.keyword === 'anyOf' || error.keyword === 'enum' ? here.words : undefined;
  const wanted = here.title ?? (words === undefined ? limitOf(error) : `one of ${words.join(', ')}`);
  const detail = `${nameOf(path)} takes ${wanted}, not ${quoted(value)}.`;
  const near = words === undefined ? undefined : nearest(String(value), words.map(String));
  return near === undefined ? { detail } : { detail, hint: `did you mean "${near}"?` };
}

function limitOf(error: SchemaError): string {
  const limit = error.params['limit'];
  if (/^max/.test(error.keyword)) return `at most ${limit}${unitOf(error.keyword)}`;
  if (/^min/.test(error.keyword)) return `at least ${limit}${unitOf(error.keyword)}`;
  return 'another value';
}

function unitOf(keyword: string): string {
  if (keyword.endsWith('Length')) return ' characters';
  if (keyword.endsWith('Items')) return ' entries';
  return keyword.endsWith('Properties') ? ' keys' : '';
}

/** A path in the words of the file: `vms.web.cpus`. */
export function nameOf(path: Path): string {
  if (path.length === 0) return 'The file';
  const short = path.length > 8 ? ['…', ...path.slice(-7)] : path;
  return short.map((step) => (String(step).length > 40 ? `${String(step).slice(0, 37)}…` : step)).join('.');
}
