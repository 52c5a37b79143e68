// Plain JSON values, and their canonical text for digests and comparison.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** JSON text with sorted keys and without undefined members: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : item,
  );
}
