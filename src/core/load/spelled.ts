// Plain scalars that YAML makes something else of than their text: 1.10, 0x1F, 9007199254740993, True, ~. Kept with their text
// until it is known whether text or a value is wanted there.

import { isMap } from './raw.ts';

/** A plain scalar with the text that it was written as. */
export interface Spelled {
  readonly value: number | boolean | null;
  readonly spelled: string;
}

/** Most characters of a number that may be exact. */
const longestNumber = 400;

/** Whatever is in here was made by `spell`: a map of a user's own with the same keys is not. */
const made = new WeakSet<object>();

/**
 * What a plain scalar means: the bare value where it reads as it was written (3, true), else the value with its text. Nothing at
 * all, as after `key:`, is null.
 */
export function spell(value: number | boolean | null, text: string): Spelled | number | boolean | null {
  if (text === '' || (value !== null && String(value) === text)) return value;
  const spelled: Spelled = { value, spelled: text };
  made.add(spelled);
  return spelled;
}

export function isSpelled(value: unknown): value is Spelled {
  return typeof value === 'object' && value !== null && made.has(value);
}

/** Whether a value is null, however it was written. */
export function isNull(value: unknown): boolean {
  return value === null || (isSpelled(value) && value.value === null);
}

/** Whether a number stands for exactly what its text says: 0.1 and 1e3 do, 9007199254740993 and 0.30000000000000000001 do not. */
export function isExact({ value, spelled }: Spelled): boolean {
  if (typeof value !== 'number') return true;
  if (!Number.isFinite(value) || spelled.length > longestNumber) return false;
  if (/^[-+]?0[box]/.test(spelled)) return Number.isSafeInteger(value);
  return decimalOf(spelled) === decimalOf(String(value));
}

/** A decimal number in one form only: sign, digits without zeros at the ends, and a power of ten. */
function decimalOf(text: string): string {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] =
    /^([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  const short = digits.replace(/0+$/, '');
  if (short === '') return '0';
  const power = Number(exponent) - fraction.length + (digits.length - short.length);
  return `${sign === '-' ? '-' : ''}${short}e${power}`;
}

/** Whether a parsed value is a map, and not a scalar with its text. */
export function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return isMap(value) && !made.has(value);
}
