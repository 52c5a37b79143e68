// Paths in the tree of a commit, followed link by link as a file system would, and never out of the tree.
import type { GitObject, ObjectReader, Unread } from './git-objects.ts';

/** A link that was followed: where it stands, from the root of the tree, and what it says. */
export interface TreeLink {
  readonly at: string;
  readonly target: string;
}

/** What a path leads to. */
export type TreeFound =
  | { readonly type: 'file'; readonly at: string; readonly name: string; readonly links: readonly TreeLink[] }
  | { readonly type: 'folder'; readonly at: string; readonly links: readonly TreeLink[] }
  /** Every tree on the way was read, and one has no such entry */
  | { readonly type: 'nothing' }
  | { readonly type: 'outside'; readonly at: string }
  | { readonly type: 'submodule'; readonly at: string }
  | { readonly type: 'circle' }
  | { readonly type: 'unread'; readonly at: string; readonly why: Unread };

interface Entry {
  readonly mode: string;
  readonly name: string;
}

const mostTreeBytes = 64 * 1024 * 1024;
const longestTarget = 4096;
const mostLinks = 40;

/** Looks paths up in one commit. Trees that were read are kept. */
export function treeOf(objects: ObjectReader, commit: string): (path: string) => Promise<TreeFound> {
  const trees = new Map<string, ReadonlyMap<string, Entry> | Unread>();
  const entriesOf: EntriesOf = async (name) => {
    const before = trees.get(name);
    if (before !== undefined) return before;
    const found = parsedTree(await objects.read(name, mostTreeBytes), name.length / 2);
    trees.set(name, found);
    return found;
  };
  let root: Promise<string | Unread> | undefined;
  return async (path) => {
    root ??= rootOf(objects, commit);
    const tree = await root;
    if (typeof tree !== 'string') return { type: 'unread', at: '', why: tree };
    return await walk(objects, entriesOf, tree, path.split('/'));
  };
}

async function rootOf(objects: ObjectReader, commit: string): Promise<string | Unread> {
  const found = await objects.read(commit, mostTreeBytes);
  if ('unread' in found) return found;
  const tree = /^tree ([0-9a-f]{40,64})\n/.exec(found.content.toString('latin1'))?.[1];
  return found.type === 'commit' && tree !== undefined ? tree : { unread: 'missing' };
}

type EntriesOf = (name: string) => Promise<ReadonlyMap<string, Entry> | Unread>;

/** Where a walk is, and what it has still to do. */
interface Walk {
  readonly objects: ObjectReader;
  readonly entriesOf: EntriesOf;
  readonly root: string;
  readonly todo: string[];
  /** Folders from the root to here */
  readonly folders: { readonly step: string; readonly tree: string }[];
  readonly links: TreeLink[];
}

async function walk(
  objects: ObjectReader,
  entriesOf: EntriesOf,
  root: string,
  path: readonly string[],
): Promise<TreeFound> {
  const at: Walk = { objects, entriesOf, root, todo: [...path], folders: [], links: [] };
  for (let step = at.todo.shift(); step !== undefined; step = at.todo.shift()) {
    if (step === '' || step === '.') continue;
    if (step !== '..') {
      const end = await take(at, step);
      if (end !== undefined) return end;
    } else if (at.folders.pop() === undefined) return { type: 'outside', at: path.join('/') };
  }
  return { type: 'folder', at: placeOf(at), links: at.links };
}

/** One step of a walk; gives its end when there is no further. */
async function take(walk: Walk, step: string): Promise<TreeFound | undefined> {
  const { folders, root, todo, links } = walk;
  const entries = await walk.entriesOf(folders.at(-1)?.tree ?? root);
  if ('unread' in entries) return { type: 'unread', at: placeOf(walk), why: entries as Unread };
  const entry = entries.get(step);
  if (entry === undefined) return { type: 'nothing' };
  const at = placeOf(walk, step);
  switch (kindOf(entry.mode)) {
    case 'folder':
      folders.push({ step, tree: entry.name });
      return undefined;
    case 'submodule':
      return { type: 'submodule', at };
    case 'file':
      return todo.length === 0 ? { type: 'file', at, name: entry.name, links } : { type: 'nothing' };
    case 'link':
      return await follow(walk, at, entry.name);
  }
}

/** Puts what a link says before what is still to do. */
async function follow({ objects, todo, links }: Walk, at: string, name: string): Promise<TreeFound | undefined> {
  if (links.length >= mostLinks) return { type: 'circle' };
  const target = await objects.read(name, longestTarget);
  if ('unread' in target) return { type: 'unread', at, why: target };
  const text = target.content.toString('utf8');
  if (text.startsWith('/')) return { type: 'outside', at };
  links.push({ at, target: text });
  todo.unshift(...text.split('/'));
  return undefined;
}

function placeOf({ folders }: Walk, step?: string): string {
  return [...folders.map((folder) => folder.step), ...(step === undefined ? [] : [step])].join('/');
}

function kindOf(mode: string): 'folder' | 'submodule' | 'link' | 'file' {
  switch (mode) {
    case '40000':
      return 'folder';
    case '160000':
      return 'submodule';
    case '120000':
      return 'link';
    default:
      return 'file';
  }
}

/** Entries as git stores them: mode, space, name, NUL, and the bytes of the object's name. */
function parsedTree(found: GitObject | Unread, nameBytes: number): ReadonlyMap<string, Entry> | Unread {
  if ('unread' in found) return found;
  if (found.type !== 'tree') return { unread: 'missing' };
  const entries = new Map<string, Entry>();
  const { content } = found;
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at);
    const end = content.indexOf(0, space);
    if (space === -1 || end === -1) return { unread: 'missing' };
    const next = end + 1 + nameBytes;
    const step = content.toString('utf8', space + 1, end);
    const entry = { mode: content.toString('latin1', at, space), name: content.toString('hex', end + 1, next) };
    // Of a name that stands twice git takes the first.
    if (!entries.has(step)) entries.set(step, entry);
    at = next;
  }
  return entries;
}
