// Values of a plan on one line, in the words and units of the file.
import type { Json } from '../json.ts';
import type { FieldChange, PlanValue } from '../plan/plan.ts';
import { isSame } from '../plan/values.ts';
import { formatDuration, formatSize } from '../units.ts';
import { plainJson, plainText } from './paint.ts';

/** Whether there is none. */
export function isAbsent(value: PlanValue): boolean {
  return 'absent' in value;
}

/** A value on one line; a sensitive one never shows. */
export function formatValue(value: PlanValue, unit?: FieldChange['unit']): string {
  if ('sensitive' in value) return '(sensitive)';
  if ('absent' in value) return '(none)';
  if (typeof value.value !== 'number') return formatJson(value.value);
  if (unit === 'bytes') return formatSize(value.value);
  return unit === 'ms' ? formatDuration(value.value) : String(value.value);
}

/** `512MiB → 1GiB`, or the one value where the other is absent. Of two records only the members that differ. */
export function formatChange(from: PlanValue, to: PlanValue, unit?: FieldChange['unit']): string {
  if (isAbsent(from)) return formatValue(to, unit);
  if (isAbsent(to)) return formatValue(from, unit);
  if ('sensitive' in from && 'sensitive' in to) return '(sensitive, changes)';
  if ('value' in from && 'value' in to && isMembers(from.value) && isMembers(to.value))
    return formatMembers(from.value, to.value);
  return `${formatValue(from, unit)} → ${formatValue(to, unit)}`;
}

/** JSON without the quotes that YAML does not need. */
export function formatJson(value: Json): string {
  if (typeof value === 'string') return /^[^\s"{}[\],][^"\n]*$/.test(value) ? plainText(value) : plainJson(value);
  if (value === null) return '(none)';
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(formatJson).join(', ')}]`;
  const entries = Object.entries(value as Members).map(([key, member]) => formatMember(key, member).join(': '));
  return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`;
}

type Members = Readonly<Record<string, Json>>;

function isMembers(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `{ size: 1GiB → 2GiB, readonly: false → true }` */
function formatMembers(from: Members, to: Members): string {
  const keys = [...new Set([...Object.keys(from), ...Object.keys(to)])].filter((key) => !isSame(from[key], to[key]));
  const words = keys.map((key) => {
    const [name, before] = formatMember(key, from[key] ?? null);
    const [, after] = formatMember(key, to[key] ?? null);
    return `${name}: ${before} → ${after}`;
  });
  return `{ ${words.join(', ')} }`;
}

/** Name and value as the file has them: `size` and `1GiB` for `sizeBytes: 1073741824`. */
function formatMember(key: string, value: Json): readonly [name: string, value: string] {
  const [, name = '', unit] = /^(.+)(Bytes|Ms)$/.exec(key) ?? [];
  if (unit === undefined) return [plainText(key), formatJson(value)];
  if (typeof value !== 'number') return [plainText(name), formatJson(value)];
  return [plainText(name), unit === 'Bytes' ? formatSize(value) : formatDuration(value)];
}
