// Finds the git repository that a folder belongs to, without asking git, and looks whether it is one of this folder alone:
// a repository from somewhere may hold files that make git take those of another repository of this host for its own.
import { lstatSync, readdirSync, readFileSync, realpathSync, type Stats } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { isWithin, realPathOf } from './folder-rule.ts';

/** A work tree and its repository. */
export interface Repository {
  /** Absolute root of the work tree, links resolved */
  readonly root: string;
  /** What GIT_DIR is to be */
  readonly gitDir: string;
}

/**
 * The repository of a folder: the nearest `.git` there or above. A bare repository is none, since files of a work tree can
 * look like one. `allowed` are absolute folders that it may reach into. SBX0001, SBX1004.
 */
export function findRepository(folder: string, allowed: readonly string[]): Checked<Repository> {
  const start = realpathSync(folder);
  for (let at = start; ; at = dirname(at)) {
    const gitDir = gitDirOf(at);
    if (gitDir !== undefined) return checkRepository({ root: at, gitDir }, start, allowed);
    if (at === dirname(at)) break;
  }
  return failed(diagnostic('SBX0001', { detail: `${folder} is not in the work tree of a git repository.` }));
}

/** Where the `.git` of a folder leads; nothing where there is none that git would take. */
function gitDirOf(folder: string): string | undefined {
  const entry = join(folder, '.git');
  const facts = statOf(entry);
  if (facts === undefined) return undefined;
  const named = facts.isFile() ? /^gitdir: (.*)$/m.exec(smallText(entry) ?? '')?.[1] : entry;
  const [real] = named === undefined ? [] : realPathOf(resolve(folder, named));
  return real !== undefined && statOf(join(real, 'HEAD')) !== undefined ? real : undefined;
}

function checkRepository(repository: Repository, start: string, allowed: readonly string[]): Checked<Repository> {
  const { root, gitDir } = repository;
  const strange = strangerOf(root, start);
  if (strange !== undefined) return failed(strange);
  const inside = (path: string): boolean =>
    [root, ...allowed.flatMap(realPathOf)].some((folder) => isWithin(path, folder));
  const common = commonDirOf(gitDir);
  if (common === undefined) return failed(unsound(gitDir));
  const linked = refersBack(repository);
  if (!inside(gitDir) && !linked) return failed(outside(join(root, '.git'), gitDir));
  const ownCommon = common === gitDir || (linked && common === dirname(dirname(gitDir)));
  if (!inside(common) && !ownCommon) return failed(outside(gitDir, common));
  const away = strayStore(join(common, 'objects'), (path) => inside(path) || isWithin(path, common));
  return away === undefined ? ok(repository) : failed(outside(join(common, 'objects'), away));
}

/** A repository that another user put above the sandbox's folder is not taken by itself; git has the same rule. */
function strangerOf(root: string, start: string): Diagnostic | undefined {
  const owners = [process.getuid?.(), 0, statOf(start)?.uid];
  const uid = statOf(join(root, '.git'))?.uid;
  if (uid === undefined || owners.includes(uid)) return undefined;
  return diagnostic('SBX0001', { detail: `${join(root, '.git')} belongs to another user, so that it is not taken.` });
}

/** The repository proper of a linked work tree; the git directory itself of any other. */
function commonDirOf(gitDir: string): string | undefined {
  const named = statOf(join(gitDir, 'commondir')) === undefined ? '.' : smallText(join(gitDir, 'commondir'));
  return named === undefined ? undefined : realPathOf(resolve(gitDir, named.trim()))[0];
}

/** Whether a git directory elsewhere names this work tree as its own: one of `git worktree`, or of a submodule. */
function refersBack({ root, gitDir }: Repository): boolean {
  const worktree = smallText(join(gitDir, 'gitdir'))?.trim();
  if (worktree !== undefined && basename(dirname(gitDir)) === 'worktrees') {
    const entry = resolve(gitDir, worktree);
    return basename(entry) === '.git' && realPathOf(dirname(entry))[0] === root;
  }
  const module = /^\s*worktree\s*=\s*"?([^"\n]*?)"?\s*$/m.exec(smallText(join(gitDir, 'config')) ?? '')?.[1];
  return module !== undefined && realPathOf(resolve(gitDir, module))[0] === root;
}

/** How deep git follows alternates. */
const deepestStore = 5;

/** The first path of an object store that lies elsewhere, by a link or as an alternate; stores of stores included. */
function strayStore(store: string, fits: (path: string) => boolean, depth = 0): string | undefined {
  const [real] = realPathOf(store);
  if (real === undefined || depth > deepestStore) return store;
  if (!fits(real)) return real;
  const stray = strayLink(real, fits, 2);
  if (stray !== undefined) return stray;
  const info = join(real, 'info/alternates');
  if (statOf(info) === undefined) return undefined;
  const text = smallText(info);
  if (text === undefined) return info;
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const found = strayStore(resolve(real, line), fits, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function strayLink(folder: string, fits: (path: string) => boolean, depth: number): string | undefined {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isSymbolicLink() && !fits(realPathOf(path)[0] ?? '')) return path;
    const found = entry.isDirectory() && depth > 1 ? strayLink(path, fits, depth - 1) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function outside(from: string, to: string): Diagnostic {
  return diagnostic('SBX1004', {
    detail: `The git repository of this folder takes its objects from elsewhere: ${from} leads to ${to}.`,
    hint: 'if that is meant, allow its folder with --allow-path',
  });
}

function unsound(gitDir: string): Diagnostic {
  return diagnostic('SBX0001', { detail: `${gitDir} is no sound git directory.` });
}

function statOf(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    // Where this user may not look there is nothing for them.
    return undefined;
  }
}

const longestText = 64 * 1024;

/** Text of a small regular file that is no link; undefined for anything else. */
function smallText(path: string): string | undefined {
  const facts = statOf(path);
  return facts?.isFile() === true && facts.size <= longestText ? readFileSync(path, 'utf8') : undefined;
}
