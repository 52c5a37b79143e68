// Which files a command works on: those that were named, or sbx.yaml here or above; and their text, standard input included.
import { lstatSync, type Stats, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import type { Source } from '../core/load/index.ts';
import { followNamed } from './folder-rule.ts';
import { readRegularFile } from './read-file.ts';

/** The name of standard input among files. */
export const stdinName = '-';

/** Most bytes of one file that is read as YAML. */
export const maxSourceBytes = 10 * 1024 * 1024;

/** What decides where sources lie and how they are read. */
export interface SourceOptions {
  /** Files given with -f, in order; none means sbx.yaml here or above */
  readonly files: readonly string[];
  /** Absolute working directory */
  readonly cwd: string;
  /** Folders beside the sandbox file's own whose files it may name */
  readonly allowPaths: readonly string[];
  /** Gives the whole of standard input, the same at every call; absent where there is none */
  readonly stdin?: () => Promise<Checked<string>>;
}

/** Absolute paths of the files given with -f, or of sbx.yaml in the folder or the nearest one above that has it. SBX1002. */
export function sandboxFiles(options: SourceOptions): Checked<readonly string[]> {
  if (options.files.length > 0) return ok(options.files.map((file) => wholePath(options.cwd, file)));
  for (let folder = options.cwd; ; folder = dirname(folder)) {
    const file = join(folder, 'sbx.yaml');
    const found = statOf(file);
    if (found !== undefined) return trusted(options.cwd, folder, file, found);
    if (folder === dirname(folder)) break;
  }
  return failed(
    diagnostic('SBX1002', {
      detail: `There is no sbx.yaml in ${options.cwd} or a folder above it.`,
      hint: 'sbx init',
    }),
  );
}

/** Folder that a sandbox file lies in; for standard input the working directory. */
export function folderOf(cwd: string, file: string): string {
  return file === stdinName ? cwd : dirname(file);
}

/** The folder that a sandbox file lies in, or would: that of the first -f, of the nearest sbx.yaml, else this one. */
export function sandboxFolder({ files, cwd }: Pick<SourceOptions, 'files' | 'cwd'>): string {
  const [first] = files;
  if (first !== undefined) return folderOf(cwd, wholePath(cwd, first));
  for (let folder = cwd; ; folder = dirname(folder)) {
    if (statOf(join(folder, 'sbx.yaml')) !== undefined) return folder;
    if (folder === dirname(folder)) return cwd;
  }
}

/** The text of a file named on the command line, or of standard input. SBX1001, SBX1003 to SBX1005. */
export async function readSource(options: SourceOptions, named: string): Promise<Checked<Source>> {
  if (named === stdinName) return await readStdin(options);
  const { cwd } = options;
  const file = resolve(cwd, named);
  // A file that was found above is held to its own folder, like one that was named there.
  const real = followNamed(
    cwd,
    file,
    options.allowPaths.map((folder) => resolve(cwd, folder)),
  );
  if (!real.ok) return real;
  const path = shownPath(cwd, file);
  const text = readRegularFile(real.value, path, maxSourceBytes);
  return text.ok ? ok({ path, text: text.value }) : text;
}

async function readStdin({ stdin }: SourceOptions): Promise<Checked<Source>> {
  if (stdin === undefined) return failed(diagnostic('SBX1001', { detail: 'There is no standard input to read.' }));
  const text = await stdin();
  return text.ok ? ok({ path: 'standard input', text: text.value }) : text;
}

function wholePath(cwd: string, file: string): string {
  return file === stdinName ? file : resolve(cwd, file);
}

/** Owners of a file and, when it is one, of the link to it; nothing where there is neither, or this user may not look. */
function statOf(path: string): readonly Stats[] | undefined {
  try {
    const link = lstatSync(path, { throwIfNoEntry: false });
    const file = statSync(path, { throwIfNoEntry: false });
    return link === undefined ? undefined : [link, ...(file === undefined ? [] : [file])];
  } catch {
    // A folder above that is closed to this user holds no file for them.
    return undefined;
  }
}

/** A file that somebody else put into a folder above, such as /tmp, is not taken without being named. */
function trusted(cwd: string, folder: string, file: string, found: readonly Stats[]): Checked<readonly string[]> {
  const own = process.getuid?.();
  const ours = found.every(({ uid }) => own === undefined || uid === own || uid === 0);
  if (folder === cwd || ours) return ok([file]);
  return failed(
    diagnostic('SBX1002', {
      detail: `${file} belongs to another user, so that it is not taken by itself.`,
      hint: `if you trust it, name it:\nsbx plan -f ${file}`,
    }),
  );
}

/** Path as users know it: relative when it lies below the working directory. */
function shownPath(cwd: string, file: string): string {
  const path = relative(cwd, file);
  return path === '' || path.startsWith('..') ? file : path;
}
