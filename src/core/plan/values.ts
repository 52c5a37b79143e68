// Values in a plan and the comparison of attributes by path.
import type { Json } from '../json.ts';
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

/** Structural equality of plain data; an absent member equals an undefined one. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => isSame(item, b[index]))
    );
  }
  return coversMembers(a as Members, b as Members) && coversMembers(b as Members, a as Members, true);
}

type Members = Readonly<Record<string, unknown>>;

/** Whether every member of `a` is the same in `b`; `onlyAbsent` looks just at those that `b` lacks. */
function coversMembers(a: Members, b: Members, onlyAbsent = false): boolean {
  for (const key in a) {
    if (onlyAbsent && b[key] !== undefined) continue;
    if (!isSame(a[key], b[key])) return false;
  }
  return true;
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
