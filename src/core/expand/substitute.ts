// Replaces references in whole values: maps and lists are walked, everything without a reference is kept as it is.
import type { Path } from '../load/document.ts';
import { isMap, type RawMap, type RawValue } from '../load/raw.ts';
import type { Context, Scope } from './context.ts';
import { evaluateText } from './evaluate.ts';
import { hasReference } from './text.ts';

/** A value without references; `sensitive` when any part of it is. */
export interface Substituted {
  readonly value: RawValue;
  readonly sensitive: boolean;
}

/** Replaces the references in a value; reports what fails at its own path and gives undefined then. */
export function substitute(context: Context, scope: Scope, value: RawValue, path: Path): Substituted | undefined {
  if (typeof value === 'string') return substituteText(context, scope, value, path);
  if (Array.isArray(value)) return substituteList(context, scope, value, path);
  if (isMap(value)) return substituteMap(context, scope, value as RawMap<RawValue>, path);
  return { value, sensitive: false };
}

function substituteText(context: Context, scope: Scope, text: string, path: Path): Substituted | undefined {
  if (!hasReference(text)) return { value: text, sensitive: false };
  const found = evaluateText(context, scope, text);
  if (found.ok) return found;
  if (found.problem !== undefined) {
    const { code, ...particulars } = found.problem;
    context.reporter.report(code, path, particulars);
  }
  return undefined;
}

function substituteList(
  context: Context,
  scope: Scope,
  list: readonly RawValue[],
  path: Path,
): Substituted | undefined {
  const items = list.map((item, at) => substitute(context, scope, item, [...path, at]));
  if (items.some((item) => item === undefined)) return undefined;
  const values = items.flatMap((item) => (item === undefined ? [] : [item.value]));
  return { value: values, sensitive: items.some((item) => item?.sensitive === true) };
}

function substituteMap(context: Context, scope: Scope, map: RawMap<RawValue>, path: Path): Substituted | undefined {
  const values: Record<string, RawValue> = {};
  let sensitive = false;
  let failed = false;
  for (const [key, item] of Object.entries(map)) {
    // Keys of the user's own may hold anything
    const found = key.startsWith('x-')
      ? { value: item, sensitive: false }
      : substitute(context, scope, item, [...path, key]);
    if (found === undefined) failed = true;
    else {
      values[key] = found.value;
      sensitive ||= found.sensitive;
    }
  }
  return failed ? undefined : { value: values, sensitive };
}

/** The same for a value that plans show: a sensitive part is an error. */
export function substituteOpen(context: Context, scope: Scope, value: RawValue, path: Path): RawValue | undefined {
  const found = substitute(context, scope, value, path);
  if (found === undefined) return undefined;
  if (!found.sensitive) return found.value;
  context.reporter.report('SBX2004', path, {
    detail: 'A sensitive variable is used in a value that plans and states show.',
    hint: 'pass it in env, and read it inside the guest',
  });
  return undefined;
}

/** Whether a value holds a reference anywhere. */
export function holdsReference(value: unknown): boolean {
  if (typeof value === 'string') return hasReference(value);
  if (typeof value !== 'object' || value === null) return false;
  for (const item of Object.values(value)) if (holdsReference(item)) return true;
  return false;
}
