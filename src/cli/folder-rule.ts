// The folder rule: what a sandbox file names lies in its folder or below, links resolved, or in a folder that is allowed.
import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve, sep } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { errnoOf } from '../core/errors.ts';
import type { ResolvedPath } from '../core/expand/index.ts';
import { quoted } from '../core/load/quote.ts';

/** The path with all links resolved, as a list of one; none when there is nothing that could be allowed. */
export function realPathOf(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    return [];
  }
}

/** Whether a path is a folder or lies in it; both absolute, without links. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === sep ? sep : folder + sep);
}

/** Follows a path from the folder, links resolved as far as it exists, and looks whether it stays in what is allowed. */
export function resolveAllowed(folder: string, allowed: readonly string[], path: string): ResolvedPath {
  const whole = resolve(folder, path);
  let existing = whole;
  let rest = '';
  for (;;) {
    try {
      const real = join(realpathSync(existing), rest);
      return allowed.some((root) => isWithin(real, root)) ? { path: real } : { problem: 'outside' };
    } catch (error) {
      // Only what is not there yet may be missing: a link in a circle or a folder without rights is no path
      if (errnoOf(error) !== 'ENOENT' || existing === dirname(existing)) return { problem: 'unusable' };
      rest = join(basename(existing), rest);
      existing = dirname(existing);
    }
  }
}

/** A path that leads out of the folder. SBX1004. */
export function leadsOutside(path: string, folder: string): Diagnostic {
  return diagnostic('SBX1004', {
    detail: `${quoted(path)} leads outside ${folder}.`,
    hint: 'if that is meant, allow its folder with --allow-path',
  });
}

/**
 * Where a file that was named on the command line, or found, is to be read: its links resolved. It may lie anywhere, but no
 * link takes it out of where it was named: out of the working directory when it is named below that, out of its own
 * folder otherwise. A repository holds links to files that whoever names them knows nothing of. SBX1004.
 */
export function followNamed(cwd: string, path: string, allowed: readonly string[]): Checked<string> {
  const folder = isWithin(path, cwd) ? cwd : dirname(path);
  const [real] = realPathOf(path);
  // What is missing or cannot be followed is said by whoever opens it.
  if (real === undefined) return ok(path);
  const roots = [folder, ...allowed].flatMap(realPathOf);
  return roots.some((root) => isWithin(real, root)) ? ok(real) : failed(leadsOutside(path, folder));
}
