// Files of another revision of a git repository, laid into a folder of their own. Nothing of the repository is changed or run.
import { spawn } from 'node:child_process';
import { mkdir, open, realpath, rm } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { tryRun } from '../host/exec.ts';

/** A commit, and the work tree that it is a commit of. */
export interface GitRevision {
  /** As the user named it */
  readonly ref: string;
  readonly commit: string;
  /** Absolute root of the work tree, links resolved */
  readonly root: string;
}

const hint = 'Name a branch, tag or commit, as in --against git:main';
const limitMs = 60_000;

/** Finds a revision. SBX0001 when there is no such, or no repository. */
export async function findRevision(ref: string, folder: string): Promise<Checked<GitRevision>> {
  const git = ['git', '-C', folder, 'rev-parse'];
  if (ref === '' || ref.startsWith('-'))
    return failed(diagnostic('SBX0001', { detail: `"${ref}" is not a revision.`, hint }));
  const top = await tryRun([...git, '--show-toplevel'], { timeoutMs: limitMs });
  if (top.code !== 0)
    return failed(diagnostic('SBX0001', { detail: `git finds no work tree in ${folder}: ${top.stderr.trim()}` }));
  const found = await tryRun([...git, '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`], {
    timeoutMs: limitMs,
  });
  const commit = /^[0-9a-f]{40,64}$/m.exec(found.stdout)?.[0];
  if (found.code !== 0 || commit === undefined)
    return failed(diagnostic('SBX0001', { detail: `git knows no revision "${ref}" in ${folder}.`, hint }));
  return ok({ ref, commit, root: top.stdout.replace(/\n$/, '') });
}

/** Where a file of the work tree lies below its root; undefined for one outside. Its folder must be there. */
export async function pathInTree(file: string, { root }: GitRevision): Promise<string | undefined> {
  const folder = await realpath(dirname(file)).catch(() => dirname(file));
  const path = relative(root, join(folder, basename(file)));
  return path === '..' || path.startsWith(`..${sep}`) ? undefined : path;
}

/** Writes one file of a revision, named as `pathInTree` does, below `to`; false when the revision does not have it. */
export async function extractFile({ root, commit }: GitRevision, path: string, to: string): Promise<boolean> {
  const target = join(to, path);
  await mkdir(dirname(target), { recursive: true });
  const file = await open(target, 'w', 0o600);
  try {
    // The bytes as they are stored: no conversion of the repository's attributes is run.
    const child = spawn('git', ['-C', root, 'cat-file', 'blob', `${commit}:${path}`], {
      stdio: ['ignore', file.fd, 'ignore'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    const code = await new Promise<number | null>((done, reject) => {
      child.once('error', reject);
      child.once('close', done);
    });
    if (code !== 0) await rm(target, { force: true });
    return code === 0;
  } finally {
    await file.close();
  }
}
