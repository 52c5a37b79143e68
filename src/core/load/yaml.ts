// Text to plain values, with js-yaml, within limits that hold for hostile input. Problems become diagnostics.
import {
  boolCoreTag,
  CORE_SCHEMA,
  constructFromEvents,
  defineMappingTag,
  defineScalarTag,
  EVENT_ID,
  type Event,
  floatCoreTag,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  type ScalarTagDefinition,
  YAMLException,
} from 'js-yaml';
import { type Checked, failed, ok } from '../checked.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import type { Source } from './document.ts';
import { placeAt } from './places.ts';
import { isTree, spell } from './spelled.ts';
import { refusedKey, yamlProblem } from './yaml-problems.ts';

/** Longest text of one source, in characters: some 25,000 VMs of eight lines. */
export const maxSourceLength = 5_000_000;
const maxDepth = 50;
const maxAliases = 10_000;
const maxExpandedNodes = 1_000_000;

const mapTag = defineMappingTag<Record<string, unknown>>('tag:yaml.org,2002:map', {
  create: () => ({}),
  identify: () => false,
  addPair: (map, key, value) => {
    if (typeof key !== 'string' || key === '__proto__') return refusedKey(key);
    map[key] = value;
    return '';
  },
  has: (map, key) => typeof key === 'string' && Object.hasOwn(map, key),
  keys: (map) => Object.keys(map),
  get: (map, key) => map[String(key)],
});

/** The same scalars as in the core schema, with their text where it says more than the value. */
const scalarTags = [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag].map(
  (tag: ScalarTagDefinition<number | boolean | null>) =>
    defineScalarTag(tag.tagName, {
      ...tag,
      resolve: (text, ...more) => {
        const value = tag.resolve(text, ...more);
        return value === NOT_RESOLVED ? NOT_RESOLVED : spell(value, text);
      },
    }),
);
const schema = CORE_SCHEMA.withTags(mapTag, scalarTags);

/** What a text would be, unquoted and alone in a file. */
export function plainScalar(text: string): unknown {
  for (const tag of scalarTags) {
    const value = tag.resolve(text, false, tag.tagName);
    if (value !== NOT_RESOLVED) return value;
  }
  return text;
}

/**
 * The value of one YAML text: null, scalars, lists and maps with text keys. Scalars are `Spelled` where their text says more than
 * their value. Never throws; SBX1003, SBX11xx.
 */
export function parseYaml(source: Source): Checked<unknown> {
  if (source.text.length > maxSourceLength)
    return failed(
      diagnostic('SBX1003', {
        detail: `${source.path} has ${source.text.length} characters; at most ${maxSourceLength} are read.`,
        hint: 'use count, for_each or templates to say more with less',
      }),
    );
  try {
    const events = parseEvents(source.text, { maxDepth });
    const problem = streamProblem(source, events);
    if (problem !== undefined) return failed(problem);
    const [value] = constructFromEvents(events, { source: source.text, schema, maxAliases });
    const bomb = hasAliases(events) ? expansionProblem(source, value) : undefined;
    return bomb === undefined ? ok(value) : failed(bomb);
  } catch (error) {
    if (error instanceof YAMLException) return failed(yamlProblem(source, error));
    if (error instanceof RangeError) return failed(tooComplex(source, 'It is nested too deeply or holds too much.'));
    throw error;
  }
}

/** What the parser lets through and sbx does not: no document, several, and directives. */
function streamProblem(source: Source, events: readonly Event[]): Diagnostic | undefined {
  let documents = 0;
  for (const event of events) {
    if (event.type !== EVENT_ID.DOCUMENT) continue;
    documents += 1;
    if (event.directives.length > 0) {
      const at = /^%/m.exec(source.text)?.index ?? 0;
      return diagnostic('SBX1106', {
        detail: 'Directives (lines that begin with %) are not supported.',
        place: placeAt(source, at, at + 1),
      });
    }
  }
  if (documents === 1) return undefined;
  const detail = documents === 0 ? `${source.path} is empty.` : 'A sandbox file is one document, and this has several.';
  const marker = documents === 0 ? 0 : Math.max(source.text.lastIndexOf('\n---') + 1, 0);
  return diagnostic('SBX1106', { detail, place: placeAt(source, marker, marker + (documents === 0 ? 0 : 3)) });
}

function hasAliases(events: readonly Event[]): boolean {
  return events.some((event) => event.type === EVENT_ID.ALIAS);
}

/** Aliases make a graph of what looks like a tree: it must have an end and a size that can be walked. */
function expansionProblem(source: Source, root: unknown): Diagnostic | undefined {
  const sizes = new Map<object, number>();
  const open = new Set<object>();
  let endless = false;
  const sizeOf = (value: unknown, depth: number): number => {
    if (typeof value !== 'object' || value === null || endless) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    if (open.has(value) || depth > maxDepth * 4) {
      endless = true;
      return 1;
    }
    open.add(value);
    let size = 1;
    for (const item of Array.isArray(value) ? value : Object.values(value)) size += sizeOf(item, depth + 1);
    open.delete(value);
    sizes.set(value, size);
    return size;
  };
  const size = sizeOf(root, 0);
  if (endless) return tooComplex(source, 'An alias holds itself, or aliases are nested too deeply.');
  if (size > maxExpandedNodes) return tooComplex(source, `Its aliases expand to more than ${maxExpandedNodes} values.`);
  return undefined;
}

function tooComplex(source: Source, detail: string): Diagnostic {
  return diagnostic('SBX1105', { detail, place: placeAt(source, 0, 0) });
}

/** A parsed value that must be a map, as files and variable files are. */
export function parseYamlMap(source: Source): Checked<Readonly<Record<string, unknown>>> {
  const parsed = parseYaml(source);
  if (!parsed.ok) return parsed;
  if (isTree(parsed.value)) return ok(parsed.value);
  const found = parsed.value === null ? 'nothing' : Array.isArray(parsed.value) ? 'a list' : 'a single value';
  return failed(
    diagnostic('SBX1203', { detail: `A map of keys is expected here, found ${found}.`, place: placeAt(source, 0, 0) }),
  );
}
