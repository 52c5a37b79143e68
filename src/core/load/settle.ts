// Plain scalars become what the schema wants where they stand: text is the very text of the file, numbers are exact.
import type { Path } from './document.ts';
import type { Outline } from './generated/outline.js';
import { child, merged, outlineAt } from './outlines.ts';
import { isMap, own } from './raw.ts';
import { isExact, isSpelled, type Spelled } from './spelled.ts';

/** A number of the file that cannot be held as it is written. */
export interface Inexact {
  readonly path: Path;
  readonly spelled: string;
}

export interface Settled {
  readonly value: unknown;
  readonly inexact: readonly Inexact[];
  /** Texts of defaults that are numbers or switches and read otherwise than they were written, by name of the variable */
  readonly defaults: ReadonlyMap<string, string>;
}

/** A whole file, after merging. Shares what it does not change. */
export function settleFile(root: Readonly<Record<string, unknown>>): Settled {
  const inexact: Inexact[] = [];
  const defaults = new Map<string, string>();
  const value = settleMap(root, { node: outlineAt([]), path: [], inexact, defaults });
  return { value, inexact, defaults };
}

/** One value for a place of the file, such as what a reference brings; `inexact` gets numbers that cannot be held. */
export function settleValue(value: unknown, path: Path, inexact: Inexact[]): unknown {
  return settle(value, { node: outlineAt(path), path, inexact, defaults: new Map() }, false);
}

/** A value for no place in particular: what reads otherwise than it was written is text. */
export function settleFree(value: unknown): unknown {
  return settle(value, { node: free, path: [], inexact: [], defaults: new Map() }, false);
}

/** A value that shall be text. */
export function settleText(value: unknown): unknown {
  return settle(value, { node: anyText, path: [], inexact: [], defaults: new Map() }, false);
}

/** A value that shall be a number or a switch, with the text of what reads otherwise. */
export function settleScalar(value: unknown): {
  readonly value: unknown;
  readonly text?: string;
  readonly exact: boolean;
} {
  if (!isSpelled(value)) return { value, exact: true };
  return { value: value.value, text: value.spelled, exact: isExact(value) };
}

/** Any kind of value. */
const free: Outline = { any: true };
const anyText: Outline = { text: '' };

interface At {
  readonly node: Outline;
  readonly path: Path;
  readonly inexact: Inexact[];
  readonly defaults: Map<string, string>;
}

function settle(value: unknown, at: At, inList: boolean): unknown {
  if (typeof value === 'string' || value === null || value === undefined) return value;
  if (isSpelled(value)) return settleSpelled(value, at, inList);
  if (Array.isArray(value)) return settleList(value, at);
  if (isMap(value)) return settleMap(value, at);
  const text = String(value);
  // What would be no such text is left as it is, and told as what it is.
  return at.node.text !== undefined && fits(at.node.text, text) ? text : value;
}

function settleSpelled(value: Spelled, { node, path, inexact }: At, inList: boolean): unknown {
  // In a map null takes away; nobody should have to know where it would be a word.
  if (value.value === null) return inList && node.text !== undefined ? value.spelled : null;
  if (node.text !== undefined || node.any === true) return value.spelled;
  if (Number.isFinite(value.value) && !isExact(value)) inexact.push({ path, spelled: value.spelled });
  return value.value;
}

function settleList(list: readonly unknown[], at: At): readonly unknown[] {
  const node = at.node.items === undefined ? free : merged(at.node.items);
  let changed: unknown[] | undefined;
  for (let index = 0; index < list.length; index++) {
    const was = list[index];
    // Most there is to see
    if (typeof was === 'string') continue;
    const now = settle(was, { ...at, node, path: [...at.path, index] }, true);
    if (now === was) continue;
    changed ??= [...list];
    changed[index] = now;
  }
  return changed ?? list;
}

function settleMap(map: Readonly<Record<string, unknown>>, at: At): Readonly<Record<string, unknown>> {
  const { path } = at;
  if (path.length === 2 && path[0] === 'variables') return settleVariable(map, at);
  const changed: [string, unknown][] = [];
  for (const key in map) {
    const was = map[key];
    if (typeof was === 'string') continue;
    const now = settle(was, { ...at, node: child(at.node, key) ?? free, path: [...path, key] }, false);
    if (now !== was) changed.push([key, now]);
  }
  return changed.length === 0 ? map : { ...map, ...Object.fromEntries(changed) };
}

/** What a default and the words of an enum are, the declared type says. */
function settleVariable(map: Readonly<Record<string, unknown>>, at: At): Readonly<Record<string, unknown>> {
  const type = own(map, 'type') ?? 'string';
  const word: Outline = type === 'string' ? anyText : type === 'list' ? free : {};
  const nodes: Readonly<Record<string, Outline>> = { default: { ...word, items: free }, enum: { items: word } };
  const given = own(map, 'default');
  if (isSpelled(given) && word.text === undefined && word.any !== true)
    at.defaults.set(String(at.path[1]), given.spelled);
  const entries = Object.entries(map).map(([key, value]) => {
    const node = own(nodes, key) ?? child(at.node, key) ?? free;
    return [key, settle(value, { ...at, node, path: [...at.path, key] }, false)];
  });
  return Object.fromEntries(entries);
}

const patterns = new Map<string, RegExp>();

function fits(pattern: string, text: string): boolean {
  const known = patterns.get(pattern) ?? new RegExp(pattern);
  patterns.set(pattern, known);
  return known.test(text);
}
