// Merging of files given with several -f: maps merge, lists and single values replace, null removes.
import { isMap } from './raw.ts';

type AnyMap = Readonly<Record<string, unknown>>;

/** `later` over `earlier`. Shares what it does not change. */
export function mergeMaps(earlier: AnyMap, later: AnyMap): AnyMap {
  const merged: Record<string, unknown> = { ...earlier };
  for (const [key, value] of Object.entries(later)) {
    if (value === null) {
      delete merged[key];
      continue;
    }
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isMap(value) ? mergeMaps(isMap(before) ? before : {}, value) : value;
  }
  return merged;
}
