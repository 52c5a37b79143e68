// Merging of files given with several -f, and of a template with a VM: maps merge, lists and single values replace, null removes.
import type { Path } from './document.ts';
import { isMap } from './raw.ts';
import { isNull, isSpelled, isTree } from './spelled.ts';

type AnyMap = Readonly<Record<string, unknown>>;

/** `later` over `earlier`. Shares what it does not change. */
export function mergeMaps(earlier: AnyMap, later: AnyMap): AnyMap {
  return merge(earlier, later, false);
}

/** One file over another. What null takes away from a VM is remembered, since the VM may have it from its template, too. */
export function mergeFiles(earlier: AnyMap, later: AnyMap): AnyMap {
  const merged = mergeMaps(earlier, later);
  const { vms } = later;
  if (!isTree(vms)) return merged;
  const entries = Object.entries(vms).flatMap(([name, vm]) => {
    const before = isMap(earlier['vms']) && Object.hasOwn(earlier['vms'], name) ? earlier['vms'][name] : undefined;
    return isTree(vm) ? [[name, merge(isTree(before) ? before : {}, vm, true)] as const] : [];
  });
  return { ...merged, vms: { ...(merged['vms'] as AnyMap), ...Object.fromEntries(entries) } };
}

function merge(earlier: AnyMap, later: AnyMap, keepsRemovals: boolean): AnyMap {
  const merged: Record<string, unknown> = { ...earlier };
  for (const [key, value] of Object.entries(later)) {
    const before = Object.hasOwn(merged, key) ? merged[key] : undefined;
    if (isNull(value) && !(keepsRemovals && isRemoval(value))) delete merged[key];
    else merged[key] = isTree(value) ? merge(isTree(before) ? before : {}, value, keepsRemovals) : value;
  }
  return merged;
}

/** The word null or its sign: a key without anything after it may be a slip. */
function isRemoval(value: unknown): boolean {
  return isSpelled(value) && value.value === null;
}

/** Keys of a VM that null takes away, with the VM without them. Paths begin below the VM. */
export function takeRemovals(vm: AnyMap): { readonly vm: AnyMap; readonly removals: readonly Path[] } {
  const removals: Path[] = [];
  const strip = (map: AnyMap, path: Path): AnyMap => {
    const entries = Object.entries(map).flatMap(([key, value]) => {
      if (!key.startsWith('x-') && isRemoval(value)) {
        removals.push([...path, key]);
        return [];
      }
      return [[key, isTree(value) ? strip(value, [...path, key]) : value] as const];
    });
    return Object.fromEntries(entries);
  };
  if (!holdsRemoval(vm)) return { vm, removals };
  return { vm: strip(vm, []), removals };
}

function holdsRemoval(map: AnyMap): boolean {
  for (const key in map) {
    const value = map[key];
    if (typeof value !== 'object' || value === null) continue;
    if (isRemoval(value) || (isTree(value) && holdsRemoval(value))) return true;
  }
  return false;
}

/** A map without what stands at a path, and whether anything stood there. */
export function without(map: AnyMap, path: Path): { readonly map: AnyMap; readonly found: boolean } {
  const [first, ...rest] = path;
  const key = String(first);
  if (first === undefined || !Object.hasOwn(map, key)) return { map, found: false };
  if (rest.length === 0) {
    const { [key]: _gone, ...left } = map;
    return { map: left, found: true };
  }
  const inner = map[key];
  if (!isMap(inner)) return { map, found: false };
  const shorter = without(inner, rest);
  return shorter.found ? { map: { ...map, [key]: shorter.map }, found: true } : { map, found: false };
}
