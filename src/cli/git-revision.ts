// Files of another revision of a git repository, laid into a folder of their own. Nothing of the repository is changed or run.
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { errnoOf, SbxError } from '../core/errors.ts';
import { quoted } from '../core/load/quote.ts';
import { findProgram } from '../host/programs.ts';
import { realPathOf } from './folder-rule.ts';
import { findRepository } from './git-folder.ts';
import { type Git, type GitObject, openObjects, runGit } from './git-objects.ts';
import { type TreeFound, type TreeLink, treeOf } from './git-tree.ts';

/** A commit, and the work tree that it is a commit of. */
export interface GitRevision {
  /** As the user named it */
  readonly ref: string;
  readonly commit: string;
  /** Absolute root of the work tree, links resolved */
  readonly root: string;
  readonly git: Git;
}

const hint = 'Name a branch, tag or commit, as in --against git:main';
const longestRef = 1000;

/** Where git and what belongs to a repository are looked for. */
export interface GitSurroundings {
  /** Absolute folder whose repository is wanted */
  readonly folder: string;
  /** PATH on which git is */
  readonly path: string;
  /** Absolute folders that the repository may reach into */
  readonly allowed: readonly string[];
  /** Private folder for what git is not to find: programs */
  readonly scratch: string;
}

/** Finds a revision. SBX0001 when there is no such, or no repository; SBX1004 when it reaches into another one. */
export async function findRevision(ref: string, surroundings: GitSurroundings): Promise<Checked<GitRevision>> {
  const { folder, path, allowed, scratch } = surroundings;
  if (ref === '' || ref.startsWith('-') || ref.length > longestRef || /[\u0000-\u001f\u007f]/.test(ref))
    return failed(diagnostic('SBX0001', { detail: `${quoted(ref)} is not a revision.`, hint }));
  const repository = findRepository(folder, allowed);
  if (!repository.ok) return repository;
  const program = findProgram('git', path);
  if (program === undefined) throw new SbxError('SBX6001', 'cannot run git: it is not on the PATH');
  const { root, gitDir } = repository.value;
  const git = { program, gitDir, noPrograms: join(scratch, 'no-programs') };
  const found = await runGit(git, ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]);
  const commit = /^[0-9a-f]{40,64}$/m.exec(found.stdout)?.[0];
  if (found.code === 0 && commit !== undefined) return ok({ ref, commit, root, git });
  const said = found.stderr.trim();
  const detail = `git knows no revision ${quoted(ref)} in ${folder}${said === '' ? '.' : `: ${said}`}`;
  return failed(diagnostic('SBX0001', { detail, hint }));
}

/** Where a file of the work tree lies below its root; undefined for one outside. Its folder must be there. */
export function pathInTree(file: string, { root }: Pick<GitRevision, 'root'>): string | undefined {
  const folder = realPathOf(dirname(file))[0] ?? dirname(file);
  const path = relative(root, join(folder, basename(file)));
  return path === '..' || path.startsWith(`..${sep}`) ? undefined : path;
}

/** Lays files of a revision below one folder. */
export interface Layer {
  /**
   * Writes what a path, relative to the root of the work tree, leads to in the revision, and the links on the way; false when
   * the revision has nothing there. What cannot be read is never nothing. SBX1001, SBX1003, SBX1004, SBX1006.
   */
  readonly lay: (path: string, mostBytes: number) => Promise<Checked<boolean>>;
  readonly close: () => void;
}

/** Most bytes of all files of a revision together. */
const mostBytesLaid = 1024 * 1024 * 1024;

/** Opens a revision for reading; `to` is a folder of ours. Close it when done. */
export function openRevision(revision: GitRevision, to: string): Layer {
  const objects = openObjects(revision.git);
  const find = treeOf(objects, revision.commit);
  const laid = new Set<string>();
  let room = mostBytesLaid;
  return {
    lay: async (path, mostBytes) => {
      const found = await find(path);
      if (found.type === 'nothing') return ok(false);
      if (found.type !== 'file' && found.type !== 'folder') return failed(problemOf(found, path, revision));
      await layLinks(found.links, to);
      if (found.type === 'folder') {
        await mkdir(join(to, found.at), { recursive: true });
        return ok(true);
      }
      if (laid.has(found.at)) return ok(true);
      const read = await objects.read(found.name, Math.min(mostBytes, room));
      if ('unread' in read) return failed(problemOf({ type: 'unread', at: found.at, why: read }, path, revision));
      room -= read.content.length;
      laid.add(found.at);
      await layFile(read, join(to, found.at));
      return ok(true);
    },
    close: objects.close,
  };
}

async function layFile({ content }: GitObject, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  // The bytes as they are stored: no conversion of the repository's attributes is run.
  await writeFile(path, content, { mode: 0o600 });
}

/** Links that were followed to their end, and stayed in the tree on the way. */
async function layLinks(links: readonly TreeLink[], to: string): Promise<void> {
  for (const { at, target } of links) {
    await mkdir(dirname(join(to, at)), { recursive: true });
    await symlink(target, join(to, at)).catch((error) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  }
}

function problemOf(
  found: Exclude<TreeFound, { type: 'file' | 'folder' | 'nothing' }>,
  path: string,
  { ref, commit }: GitRevision,
): Diagnostic {
  const where = `${quoted(path)} of ${quoted(ref)}`;
  switch (found.type) {
    case 'outside':
      return diagnostic('SBX1004', { detail: `${where} leads out of the work tree, at ${quoted(found.at)}.` });
    case 'circle':
      return diagnostic('SBX1001', { detail: `${where}: its links lead in a circle.` });
    case 'submodule':
      return diagnostic('SBX1006', {
        detail: `${where} lies in the submodule ${quoted(found.at)}, whose files are in another repository.`,
      });
    case 'unread':
      if (found.why.unread === 'too large')
        return diagnostic('SBX1003', { detail: `${where} has ${found.why.size} bytes, more than is read.` });
      return diagnostic('SBX1006', {
        detail: `${where} is part of the revision, and this repository does not hold it whole, or it is damaged.`,
        hint: `A partial clone lacks what was never checked out. If you trust it, fetch the rest:\ngit archive --format=tar -o /dev/null ${commit}`,
      });
  }
}
