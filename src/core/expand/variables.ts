// Variables: the strongest value given from outside, checked against the declaration.
import type { Path } from '../load/document.ts';
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { own, type RawValue, type RawVariable, type Scalar } from '../load/raw.ts';
import { known, unknown } from './cells.ts';
import type { Context, Evaluated } from './context.ts';
import { fitsPattern, patternProblem, patternsExhausted } from './patterns.ts';
import { typedText, typedValue } from './typed-value.ts';

/** Where a value came from, strongest first in `candidates`. */
interface Given {
  readonly value: unknown;
  readonly origin: string;
  /** Values from flags and the environment are text and become what the type says */
  readonly asText: boolean;
}

/** Fills `context.variables`; SBX2001 to SBX2003. */
export function resolveVariables(context: Context): void {
  const declared = context.root.variables ?? {};
  refuseUndeclared(context, declared);
  for (const [name, variable] of Object.entries(declared)) {
    const path: Path = ['variables', name];
    checkDeclaration(context, variable, path);
    const given = givenValue(context, name);
    context.variables.set(name, givenOrDefault(context, name, variable, given, path));
  }
}

function refuseUndeclared(context: Context, declared: Readonly<Record<string, RawVariable>>): void {
  const { flags, files } = context.inputs.variables;
  const given = [
    ...Object.keys(flags).map((name) => ({ name, origin: '--var' })),
    ...files.flatMap(({ path, values }) => Object.keys(values).map((name) => ({ name, origin: path }))),
  ];
  for (const { name, origin } of given) {
    if (Object.hasOwn(declared, name)) continue;
    context.reporter.report('SBX2001', ['variables'], {
      detail: `${origin} gives a value for ${quoted(name)}, and the file declares no such variable.`,
      ...suggestion(name, Object.keys(declared)),
    });
  }
}

function givenValue(context: Context, name: string): Given | undefined {
  const { flags, files, environment } = context.inputs.variables;
  const flag = own(flags, name);
  if (flag !== undefined) return { value: flag, origin: `--var ${name}`, asText: true };
  const file = files.findLast(({ values }) => Object.hasOwn(values, name));
  if (file !== undefined) return { value: own(file.values, name), origin: file.path, asText: false };
  const set = own(environment, name);
  return set === undefined ? undefined : { value: set, origin: `SBX_VAR_${name}`, asText: true };
}

function givenOrDefault(
  context: Context,
  name: string,
  variable: RawVariable,
  given: Given | undefined,
  path: Path,
): Evaluated {
  const sensitive = variable.sensitive ?? false;
  const from = given ?? { value: variable.default, origin: 'The default', asText: false };
  if (from.value === undefined) return missing(context, name, variable);
  const { value, text, exact } = from.asText
    ? typedText(variable, String(from.value))
    : typedValue(variable, from.value);
  const written = text ?? (given === undefined ? context.document.defaults.get(name) : undefined);
  const problem = exact ? misfit(context, variable, value, written) : 'a number that can be held exactly';
  if (problem === undefined)
    return { ...known(value as RawValue, sensitive), ...(written === undefined ? {} : { text: written }) };
  const shown = sensitive ? 'what was given' : (written ?? quoted(value));
  context.reporter.report('SBX2002', given === undefined ? [...path, 'default'] : path, {
    detail: `${from.origin} must be ${problem}, and ${shown} is not.`,
  });
  return { ok: false };
}

function missing(context: Context, name: string, { type = 'string', sensitive = false }: RawVariable): Evaluated {
  if (context.inputs.unknownVariables === true) return unknown(sensitive, type);
  const detail = `Variable ${quoted(name)} has no default, and no value was given.`;
  const hint = `give it with --var ${name}=VALUE, --var-file or SBX_VAR_${name}`;
  return { ok: false, problem: { code: 'SBX2003', detail, hint }, optional: true };
}

/** What the value should have been, when it does not fit. */
function misfit(
  context: Context,
  variable: RawVariable,
  value: unknown,
  written: string | undefined,
): string | undefined {
  const type = variable.type ?? 'string';
  if (!hasType(type, value)) return typeWords[type];
  const { minimum, maximum } = variable;
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (typeof value === 'number' && minimum !== undefined && value < minimum) return `at least ${minimum}`;
  if (typeof value === 'number' && maximum !== undefined && value > maximum) return `at most ${maximum}`;
  const words = variable.enum;
  if (words !== undefined && !items.every((item) => words.includes(item as Scalar)))
    return variable.sensitive ? 'one of the words of its enum' : `one of ${words.join(', ')}`;
  const { pattern } = variable;
  if (pattern === undefined || items.every((item) => fitsPattern(context, pattern, written ?? item))) return undefined;
  return patternsExhausted(context) ? 'shorter: the patterns of this file have too much to do' : `text like ${pattern}`;
}

const typeWords = {
  string: 'text of up to 4096 characters',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  list: 'a list of single values',
} as const;

function hasType(type: NonNullable<RawVariable['type']>, value: unknown): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string' && value.length <= 4096;
    case 'integer':
      return Number.isSafeInteger(value);
    case 'number':
      return typeof value === 'number' && Number.isFinite(value);
    case 'boolean':
      return typeof value === 'boolean';
    case 'list':
      return Array.isArray(value) && value.length <= 10_000 && value.every(isScalar);
  }
}

function isScalar(value: unknown): boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

function checkDeclaration(context: Context, variable: RawVariable, path: Path): void {
  const wrong = variable.pattern === undefined ? undefined : patternProblem(context, variable.pattern);
  if (wrong !== undefined) context.reporter.report('SBX2002', [...path, 'pattern'], { detail: wrong });
  const { minimum, maximum } = variable;
  if (minimum !== undefined && maximum !== undefined && minimum > maximum)
    context.reporter.report('SBX2002', [...path, 'minimum'], {
      detail: `The minimum, ${minimum}, is above the maximum, ${maximum}.`,
    });
}
