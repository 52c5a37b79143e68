// The result of anything a user's input can make fail: a value with warnings, or diagnostics.
import type { Diagnostic } from './diagnostic.ts';

/** A list that holds at least one element. */
export type NonEmpty<T> = readonly [T, ...T[]];

/** A value, or every reason why there is none. Warnings never change an exit code. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T; readonly warnings: readonly Diagnostic[] }
  | { readonly ok: false; readonly diagnostics: NonEmpty<Diagnostic> };

/** Success, with the warnings met on the way. */
export function ok<T>(value: T, warnings: readonly Diagnostic[] = []): Checked<T> {
  return { ok: true, value, warnings };
}

/** Failure with one or more diagnostics. */
export function failed(
  first: Diagnostic,
  ...rest: readonly Diagnostic[]
): { ok: false; diagnostics: NonEmpty<Diagnostic> } {
  return { ok: false, diagnostics: [first, ...rest] };
}

/** `value` when the list holds no error; otherwise the whole list as a failure. Warnings travel with the value. */
export function checkedFrom<T>(value: () => T, found: readonly Diagnostic[]): Checked<T> {
  const errors = found.filter((d) => d.severity === 'error');
  const [first, ...rest] = errors;
  if (first === undefined) return ok(value(), found);
  return { ok: false, diagnostics: [first, ...rest, ...found.filter((d) => d.severity === 'warning')] };
}
