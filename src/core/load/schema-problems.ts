// What the generated validators object to, in words for users, with the nearest known key or word.
import { type Diagnostic, diagnostic, type Particulars } from '../diagnostic.ts';
import type { Aspect, Path } from './document.ts';
import type { Outline } from './generated/outline.js';
import type { SchemaError } from './generated/validate.js';
import { nearest } from './nearest.ts';
import { merged, outlineAt } from './outlines.ts';
import { quoted } from './quote.ts';
import { isMap } from './raw.ts';

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

/**
 * The problems of a value that failed a validator, at most `mostProblems`; `prefix` is the path of the value. Where a path is
 * quiet, what stands there is not told.
 */
export function schemaProblems(
  errors: readonly SchemaError[],
  value: unknown,
  prefix: Path,
  quiet: (path: Path) => boolean = () => false,
): readonly SchemaProblem[] {
  const problems: SchemaProblem[] = [];
  for (const error of errors) {
    if (problems.length === mostProblems) break;
    const path = error.instancePath.split('/').slice(1).map(unescapePointer);
    const found = valueAt(value, path);
    const at = [...prefix, ...path];
    if (!isConsequence(error, found)) problems.push(problemOf(error, { value: found, path: at, quiet: quiet(at) }));
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

/** What an error is about. */
interface Subject {
  readonly value: unknown;
  readonly path: Path;
  /** Whether neither the value nor its keys may be told */
  readonly quiet: boolean;
}

/** A value inside a sentence. */
function told(value: unknown, { quiet }: Subject): string {
  return quiet ? 'what stands there' : quoted(value);
}

function problemOf(error: SchemaError, subject: Subject): SchemaProblem {
  const { path } = subject;
  const here = outlineAt(path);
  const make = (code: Diagnostic['code'], particulars: Particulars, at = path, aspect: Aspect = 'value') => ({
    diagnostic: diagnostic(code, particulars),
    path: at,
    aspect,
  });
  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty']);
      return make('SBX1201', unknownKey(key, subject, Object.keys(here.properties ?? {})), [...path, key], 'key');
    }
    case 'required':
      return make('SBX1202', { detail: `${nameOf(path)} needs "${error.params['missingProperty']}".` }, path, 'key');
    case 'propertyNames': {
      const key = String(error.params['propertyName']);
      const wanted = merged(here.propertyNames ?? {}).title ?? 'a valid name here';
      return make('SBX1205', { detail: `${told(key, subject)} is not ${wanted}.` }, [...path, key], 'key');
    }
    case 'type':
      return make('SBX1203', wrongType(error, subject, here.title));
    default:
      return make('SBX1204', invalidValue(error, subject, here));
  }
}

function unknownKey(key: string, subject: Subject, known: readonly string[]): Particulars {
  const near = nearest(key, known);
  // A key that is nearly one of ours is a slip of the pen; others may be anything.
  const shown = near === undefined ? told(key, subject) : quoted(key);
  const detail = `${nameOf(subject.path)} has no key ${shown}.`;
  if (near !== undefined) return { detail, hint: `did you mean "${near}"?` };
  if (key === '<<') return { detail, hint: 'merge keys are not part of YAML 1.2: use templates' };
  if (notYet.has(key)) return { detail, hint: 'this version of sbx does not have it' };
  return { detail, hint: known.length === 0 ? 'remove it' : `known keys: ${known.join(', ')}` };
}

function wrongType(error: SchemaError, subject: Subject, title: string | undefined): Particulars {
  const { value, path } = subject;
  const types = error.params['type'];
  const wanted = title ?? namesOfTypes(Array.isArray(types) ? types.map(String) : [String(types)]);
  const detail = `${nameOf(path)} takes ${wanted}, not ${value === null ? 'nothing' : told(value, subject)}.`;
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

function invalidValue(error: SchemaError, subject: Subject, here: Outline): Particulars {
  const { value, path } = subject;
  const words = error.keyword === 'anyOf' || error.keyword === 'enum' ? here.words : undefined;
  const wanted = here.title ?? (words === undefined ? limitOf(error) : `one of ${words.join(', ')}`);
  const detail = `${nameOf(path)} takes ${wanted}, not ${told(value, subject)}.`;
  const near = words === undefined || subject.quiet ? undefined : nearest(String(value), words.map(String));
  if (near !== undefined) return { detail, hint: `did you mean "${near}"?` };
  const bareNumber = typeof value === 'string' && /^[0-9.]+$/.test(value) && /size|duration/.test(wanted);
  return bareNumber ? { detail, hint: 'write the unit too' } : { detail };
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
