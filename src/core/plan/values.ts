// Values in a plan and the comparison of attributes by path.
import { canonicalJson, type Json } from '../json.ts';
import type { RecordedText } from '../state/attrs.ts';
import type { PlanValue } from './plan.ts';

export const absent: PlanValue = { absent: true };

/** A plan value of anything serializable. */
export function shown(value: unknown): PlanValue {
  return value === undefined ? absent : { value: value as Json };
}

/** A plan value of recorded text: hidden when it is sensitive. */
export function shownText(text: RecordedText | undefined): PlanValue {
  if (text === undefined) return absent;
  return typeof text === 'string' ? { value: text } : { sensitive: true };
}

/** Structural equality of plain data. */
export function isSame(a: unknown, b: unknown): boolean {
  return a === b || canonicalJson(a) === canonicalJson(b);
}

/** The value at a path of plain data, or undefined. */
export function valueAt(data: unknown, path: readonly string[]): unknown {
  let at: unknown = data;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

/** A copy with another value at a path; undefined removes the member. */
export function withValueAt<T>(data: T, path: readonly string[], value: unknown): T {
  const [key, ...rest] = path;
  if (key === undefined) return value as T;
  const copy: Record<string, unknown> = { ...(data as Record<string, unknown>) };
  if (rest.length === 0 && value === undefined) delete copy[key];
  else copy[key] = rest.length === 0 ? value : withValueAt(copy[key] ?? {}, rest, value);
  return copy as T;
}
