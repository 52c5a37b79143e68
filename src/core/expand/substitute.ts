// Replaces references in whole values: maps and lists are walked, everything without a reference is kept as it is.
import type { Path } from '../load/document.ts';
import { isMap, type RawMap, type RawValue } from '../load/raw.ts';
import { settleValue } from '../load/settle.ts';
import { spell } from '../load/spelled.ts';
import type { Context, Scope } from './context.ts';
import { evaluateText } from './evaluate.ts';
import { hasReference } from './text.ts';

/** A value without references, or only that it will be there; `sensitive` when any part of it is. */
export type Substituted =
  | { readonly known: true; readonly value: RawValue; readonly sensitive: boolean }
  | { readonly known: false; readonly sensitive: boolean };

/** Replaces the references in a value; reports what fails at its own path and gives undefined then. */
export function substitute(context: Context, scope: Scope, value: RawValue, path: Path): Substituted | undefined {
  if (typeof value === 'string') return substituteText(context, scope, value, path);
  if (Array.isArray(value)) return substituteList(context, scope, value, path);
  if (isMap(value)) return substituteMap(context, scope, value as RawMap<RawValue>, path);
  return asIs(value);
}

function asIs(value: RawValue): Substituted {
  return { known: true, value, sensitive: false };
}

function substituteText(context: Context, scope: Scope, text: string, path: Path): Substituted | undefined {
  if (!hasReference(text)) return asIs(text);
  const found = evaluateText(context, scope, text);
  if (found.ok) return { known: true, value: wanted(found.value, found.text, path), sensitive: found.sensitive };
  if (found.unknown !== undefined) return { known: false, sensitive: found.unknown.sensitive };
  if (found.problem !== undefined) {
    const { code, ...particulars } = found.problem;
    context.reporter.report(code, path, particulars);
  }
  return undefined;
}

/** What a reference brings, as it is wanted where the reference stands: text as it was written, or a number. */
function wanted(value: RawValue, text: string | undefined, path: Path): RawValue {
  if (typeof value === 'string') return value;
  const spelled = text === undefined || typeof value === 'object' ? value : spell(value, text);
  // Numbers that cannot be held were refused where they came from
  return settleValue(spelled, path, []) as RawValue;
}

function substituteList(
  context: Context,
  scope: Scope,
  list: readonly RawValue[],
  path: Path,
): Substituted | undefined {
  const items = list.map((item, at) => substitute(context, scope, item, [...path, at]));
  if (items.some((item) => item === undefined)) return undefined;
  const sensitive = items.some((item) => item?.sensitive === true);
  if (items.some((item) => item?.known === false)) return { known: false, sensitive };
  return { known: true, value: items.flatMap((item) => (item?.known === true ? [item.value] : [])), sensitive };
}

function substituteMap(context: Context, scope: Scope, map: RawMap<RawValue>, path: Path): Substituted | undefined {
  const values: Record<string, RawValue> = {};
  let sensitive = false;
  let failed = false;
  let known = true;
  for (const [key, item] of Object.entries(map)) {
    // Keys of the user's own may hold anything
    const found = key.startsWith('x-') ? asIs(item) : substitute(context, scope, item, [...path, key]);
    if (found === undefined) failed = true;
    else {
      if (found.known) values[key] = found.value;
      else known = false;
      sensitive ||= found.sensitive;
    }
  }
  if (failed) return undefined;
  return known ? { known, value: values, sensitive } : { known, sensitive };
}

/** The same for a value that plans show: a sensitive part is an error, and what is not known is left out without a word. */
export function substituteOpen(context: Context, scope: Scope, value: RawValue, path: Path): RawValue | undefined {
  const found = substitute(context, scope, value, path);
  if (found === undefined) return undefined;
  if (found.known && !found.sensitive) return found.value;
  if (!found.sensitive) {
    context.unknownKeys.add(String(path[2] ?? path[0]));
    return undefined;
  }
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
