// Where things stand in a source. The index is made from parser events when the first error asks for it.
import { EVENT_ID, type Event, getScalarValue, parseEvents } from 'js-yaml';
import type { Place } from '../diagnostic.ts';
import type { Aspect, Path, Source } from './document.ts';

const longestShownLine = 2000;

/** Offsets at which the lines of a source begin; kept, since many places may be asked for. */
const lineStarts = new WeakMap<Source, readonly number[]>();

function lineStartsOf(source: Source): readonly number[] {
  const before = lineStarts.get(source);
  if (before !== undefined) return before;
  const starts = [0];
  for (const match of source.text.matchAll(/\r\n?|\n/g)) starts.push(match.index + match[0].length);
  lineStarts.set(source, starts);
  return starts;
}

/** Index of the last line that begins at or before an offset. */
function lineIndexOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The place of a span of offsets within one line of a source. */
export function placeAt(source: Source, start: number, end: number): Place {
  const { text } = source;
  const starts = lineStartsOf(source);
  const line = lineIndexOf(starts, start);
  const lineStart = starts[line] ?? 0;
  const ending = text.slice(lineStart, lineStart + longestShownLine + 1).search(/[\r\n]/);
  const tooLong = ending === -1 && text.length - lineStart > longestShownLine;
  const shown = tooLong || isSecret(source, line + 1) ? undefined : lineOf(text, lineStart, ending);
  const bom = lineStart === 0 && text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const column = Math.max(start - lineStart - bom, 0) + 1;
  const lineEnd = shown === undefined ? Number.POSITIVE_INFINITY : shown.length + 1;
  return {
    file: source.path,
    line: line + 1,
    column,
    endColumn: Math.max(Math.min(end - lineStart - bom + 1, lineEnd), column + 1),
    ...(shown === undefined ? {} : { source: shown }),
  };
}

/** Whether a line, counted from 1, is never shown. */
export function isSecret({ secret }: Source, line: number): boolean {
  if (secret === undefined || secret === 'all') return secret === 'all';
  return secret.some(([first, last]) => line >= first && line <= last);
}

/** The lines, counted from 1, on which a span of offsets lies. */
export function linesOf(source: Source, start: number, end: number): readonly [first: number, last: number] {
  const starts = lineStartsOf(source);
  return [lineIndexOf(starts, start) + 1, lineIndexOf(starts, end) + 1];
}

function lineOf(text: string, start: number, length: number): string {
  const line = length === -1 ? text.slice(start) : text.slice(start, start + length);
  return line.charCodeAt(0) === 0xfeff ? line.slice(1) : line;
}

/** A value in a source, by offsets; `key` is the key that leads to it. */
interface Node {
  start: number;
  end: number;
  key?: readonly [number, number];
  children?: Map<string, Node>;
  alias?: true;
}

/** Looks up places in one source. */
export interface PlaceFinder {
  /** The place of a path, or of its deepest part that exists, with how many steps of it do */
  readonly find: (path: Path, aspect: Aspect) => { readonly place: Place; readonly depth: number };
  /** First and last line of a map entry with all that is in it; undefined when the source does not have it */
  readonly lines: (path: Path) => readonly [first: number, last: number] | undefined;
}

/** Makes the finder of a source that parses; the work is done on the first look-up. */
export function placeFinder(source: Source): PlaceFinder {
  let root: Node | undefined;
  return {
    find: (path, aspect) => {
      root ??= indexOf(source);
      let node = root;
      let depth = 0;
      for (const step of path) {
        const next = node.children?.get(String(step));
        if (next === undefined) break;
        node = next;
        depth += 1;
      }
      // What is missing in a map is reported at the key of the map
      const span = (aspect === 'key' || depth < path.length || node.children !== undefined) && node.key;
      const [start, end] = span || [node.start, node.end];
      return { place: placeAt(source, start, end), depth };
    },
    lines: (path) => {
      root ??= indexOf(source);
      let node: Node | undefined = root;
      for (const step of path) node = node?.children?.get(String(step));
      return node === undefined ? undefined : linesOf(source, node.key?.[0] ?? node.start, endOf(node));
    },
  };
}

/** Where the last of what a node holds ends; aliases lead elsewhere and may lead in circles. */
function endOf(node: Node): number {
  if (node.alias === true) return node.end;
  return Math.max(node.end, ...[...(node.children?.values() ?? [])].map(endOf));
}

interface Frame {
  readonly node: Node;
  readonly map: boolean;
  /** Key that waits for its value */
  pending?: { readonly text: string; readonly span: readonly [number, number] };
  count: number;
}

function indexOf(source: Source): Node {
  const top: Node = { start: 0, end: 0, children: new Map() };
  const frames: (Frame | undefined)[] = [];
  const anchors = new Map<string, Node>();
  for (const event of parseEvents(source.text, { maxDepth: 100 })) {
    if (event.type === EVENT_ID.POP) {
      frames.pop();
      continue;
    }
    if (event.type === EVENT_ID.DOCUMENT) {
      frames.push({ node: top, map: false, count: 0 });
      continue;
    }
    const frame = frames.at(-1);
    const node = nodeOf(source, event, anchors);
    attach(source, frame, node, event);
    if (event.type === EVENT_ID.MAPPING || event.type === EVENT_ID.SEQUENCE) {
      node.children = new Map();
      frames.push({ node, map: event.type === EVENT_ID.MAPPING, count: 0 });
    }
  }
  return top.children?.get('0') ?? top;
}

function nodeOf(source: Source, event: Event, anchors: Map<string, Node>): Node {
  if (event.type === EVENT_ID.POP || event.type === EVENT_ID.DOCUMENT) return { start: 0, end: 0 };
  if (event.type === EVENT_ID.ALIAS) {
    const target = anchors.get(source.text.slice(event.anchorStart, event.anchorEnd));
    const node: Node = { start: event.anchorStart - 1, end: event.anchorEnd, alias: true };
    if (target?.children !== undefined) node.children = target.children;
    return node;
  }
  const scalar = event.type === EVENT_ID.SCALAR;
  const node: Node = scalar
    ? spanOfScalar(source, event.valueStart, event.valueEnd)
    : { start: event.start, end: event.start + 1 };
  if (event.anchorStart !== -1) anchors.set(source.text.slice(event.anchorStart, event.anchorEnd), node);
  return node;
}

/** Quotes belong to what is underlined. */
function spanOfScalar(source: Source, start: number, end: number): Node {
  const quote = source.text[start - 1];
  return start > 0 && (quote === '"' || quote === "'") && source.text[end] === quote
    ? { start: start - 1, end: end + 1 }
    : { start, end };
}

function attach(source: Source, frame: Frame | undefined, node: Node, event: Event): void {
  if (frame === undefined) return;
  if (!frame.map) {
    frame.node.children?.set(String(frame.count++), node);
    return;
  }
  if (frame.pending === undefined) {
    const text = event.type === EVENT_ID.SCALAR ? getScalarValue(source.text, event) : '';
    frame.pending = { text, span: [node.start, node.end] };
    return;
  }
  node.key = frame.pending.span;
  // An empty value has no offsets of its own
  if (node.start < 0) [node.start, node.end] = frame.pending.span;
  frame.node.children?.set(frame.pending.text, node);
  delete frame.pending;
}
