// The rim of loading: finds and reads sandbox files, variable files and the files that they name, within bounds.
import { createHash } from 'node:crypto';
import { realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { errnoOf } from '../core/errors.ts';
import { collectFileReferences, type ExpandInputs, type FileContent, type ResolvedPath } from '../core/expand/index.ts';
import { type Document, loadDocument, parseYamlMap, type Source } from '../core/load/index.ts';
import { quoted } from '../core/load/quote.ts';
import { compilePatterns } from './patterns.ts';
import { readRegularFile, sha256OfFile } from './read-file.ts';

/** What the command line says about sources. */
export interface ReadSourcesOptions {
  /** Files given with -f, in order; none means sbx.yaml here or above */
  readonly files: readonly string[];
  /** Absolute working directory */
  readonly cwd: string;
  /** `--var` values: `name=value` */
  readonly vars: readonly string[];
  readonly varFiles: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folders beside the sandbox file's own whose files it may name */
  readonly allowPaths: readonly string[];
  readonly instance?: string;
  readonly allowPublicPorts: boolean;
}

/** Everything that was read. */
export interface Loaded {
  readonly document: Document;
  /** Absolute folder of the first file */
  readonly folder: string;
  /** Absolute paths of the sandbox files */
  readonly files: readonly string[];
  /** Gives the hex SHA-256 over all sources and the files that they name */
  readonly digest: () => string;
  /** All that `expand` needs but the earlier choices in the state */
  readonly expandInputs: Omit<ExpandInputs, 'allocations'>;
}

const maxSourceBytes = 10 * 1024 * 1024;
const maxReadBytes = 64 * 1024;
const variablePrefix = 'SBX_VAR_';
const instancePattern = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** Reads, parses and checks what a command works on. SBX0001, SBX1001 to SBX1005 and all of `loadDocument`. */
export async function readSources(options: ReadSourcesOptions): Promise<Checked<Loaded>> {
  const usage = usageProblems(options);
  const found = await sandboxFiles(options);
  if (!found.ok) return { ok: false, diagnostics: [...usage, ...found.diagnostics] as never };
  const files = found.value;
  const sources: Source[] = [];
  const problems: Diagnostic[] = [...usage];
  for (const file of files) {
    const path = shownPath(options.cwd, file);
    const text = readRegularFile(file, path, maxSourceBytes);
    if (text.ok) sources.push({ path, text: text.value });
    else problems.push(...text.diagnostics);
  }
  const variables = await readVariableFiles(options);
  if (!variables.ok) problems.push(...variables.diagnostics);
  const loaded = problems.length === 0 || sources.length > 0 ? loadDocument(sources) : undefined;
  if (loaded !== undefined && !loaded.ok) problems.push(...loaded.diagnostics);
  const [first, ...rest] = problems;
  if (first !== undefined) return failed(first, ...rest);
  if (loaded?.ok !== true || !variables.ok) return failed(diagnostic('SBX1002', { detail: 'No file was given.' }));
  return assemble(options, files, loaded.value, variables.value);
}

type VariableFiles = ExpandInputs['variables']['files'];

async function assemble(
  options: ReadSourcesOptions,
  files: readonly string[],
  document: Document,
  variableFiles: VariableFiles,
): Promise<Checked<Loaded>> {
  const folder = dirname(files[0] ?? options.cwd);
  const allowed = [folder, ...options.allowPaths.map((path) => resolve(options.cwd, path))].flatMap(realPathOf);
  const resolvePath = (path: string) => resolveAllowed(folder, allowed, path);
  const contents = await readReferences(collectFileReferences(document), folder, resolvePath);
  return ok({
    document,
    folder,
    files,
    digest: () => digestOf(document.sources, contents),
    expandInputs: {
      folder,
      ...(options.instance === undefined ? {} : { instance: options.instance }),
      variables: { flags: flagsOf(options.vars), files: variableFiles, environment: variablesOf(options.environment) },
      files: contents,
      patterns: await compilePatterns(document.root),
      resolvePath,
      allowPublicPorts: options.allowPublicPorts,
    },
  });
}

function usageProblems(options: ReadSourcesOptions): Diagnostic[] {
  const bad = options.vars.filter((each) => !/^[A-Za-z][A-Za-z0-9_-]*=/.test(each));
  // What was given may be a secret whose name was forgotten.
  const problems = bad.map(() =>
    diagnostic('SBX0001', { detail: '--var takes name=value.', hint: 'write --var workers=3' }),
  );
  if (options.instance !== undefined && !instancePattern.test(options.instance))
    problems.push(
      diagnostic('SBX0001', {
        detail: `--instance takes small letters, digits and hyphens, at most 31, not ${quoted(options.instance)}.`,
      }),
    );
  return problems;
}

/** Files given with -f, or sbx.yaml in the folder or the nearest one above that has it. */
async function sandboxFiles(options: ReadSourcesOptions): Promise<Checked<readonly string[]>> {
  if (options.files.length > 0) return ok(options.files.map((file) => resolve(options.cwd, file)));
  for (let folder = options.cwd; ; folder = dirname(folder)) {
    const file = join(folder, 'sbx.yaml');
    const facts = statOf(file);
    if (facts !== undefined) return trusted(options.cwd, folder, file, facts.uid);
    if (folder === dirname(folder)) break;
  }
  return failed(
    diagnostic('SBX1002', {
      detail: `There is no sbx.yaml in ${options.cwd} or a folder above it.`,
      hint: 'sbx init',
    }),
  );
}

/** What is there; nothing, too, where this user may not look. */
function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A folder above that is closed to this user holds no file for them.
    return undefined;
  }
}

/** A file that somebody else put into a folder above, such as /tmp, is not taken without being named. */
function trusted(cwd: string, folder: string, file: string, uid: number): Checked<readonly string[]> {
  const own = process.getuid?.() ?? uid;
  if (folder === cwd || uid === own || uid === 0) return ok([file]);
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

async function readVariableFiles(options: ReadSourcesOptions): Promise<Checked<VariableFiles>> {
  const files: { path: string; values: Readonly<Record<string, unknown>> }[] = [];
  for (const each of options.varFiles) {
    const path = shownPath(options.cwd, resolve(options.cwd, each));
    const text = readRegularFile(resolve(options.cwd, each), path, maxSourceBytes);
    if (!text.ok) return text;
    const values = parseYamlMap({ path, text: text.value, secret: 'all' });
    if (!values.ok) return values;
    files.push({ path, values: values.value });
  }
  return ok(files);
}

function flagsOf(vars: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(vars.map((each) => [each.slice(0, each.indexOf('=')), each.slice(each.indexOf('=') + 1)]));
}

function variablesOf(environment: ReadSourcesOptions['environment']): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(environment).flatMap(([name, value]) =>
      name.startsWith(variablePrefix) && value !== undefined ? [[name.slice(variablePrefix.length), value]] : [],
    ),
  );
}

function realPathOf(path: string): readonly string[] {
  try {
    return [realpathSync(path)];
  } catch {
    // A folder that does not exist allows nothing
    return [];
  }
}

/** Follows a path from the folder, links resolved as far as it exists, and looks whether it stays in what is allowed. */
function resolveAllowed(folder: string, allowed: readonly string[], path: string): ResolvedPath {
  const whole = resolve(folder, path);
  let existing = whole;
  let rest = '';
  for (;;) {
    try {
      const real = join(realpathSync(existing), rest);
      const inside = allowed.some((root) => real === root || real.startsWith(root === sep ? sep : root + sep));
      return inside ? { path: real } : { problem: 'outside' };
    } catch (error) {
      // Only what is not there yet may be missing: a link in a circle or a folder without rights is no path
      if (errnoOf(error) !== 'ENOENT' || existing === dirname(existing)) return { problem: 'unusable' };
      rest = join(existing.slice(dirname(existing).length).replace(/^\//, ''), rest);
      existing = dirname(existing);
    }
  }
}

async function readReferences(
  paths: readonly string[],
  folder: string,
  resolvePath: (path: string) => ResolvedPath,
): Promise<ReadonlyMap<string, FileContent | Diagnostic>> {
  const contents = new Map<string, FileContent | Diagnostic>();
  for (const path of paths) {
    const resolved = path.includes('\0') ? { problem: 'unusable' as const } : resolvePath(path);
    contents.set(
      path,
      'path' in resolved ? await readReference(resolved.path, path) : refusal(path, folder, resolved.problem),
    );
  }
  return contents;
}

function refusal(path: string, folder: string, problem: 'outside' | 'unusable'): Diagnostic {
  if (problem === 'unusable') return diagnostic('SBX1001', { detail: `${quoted(path)} cannot be followed to a file.` });
  return diagnostic('SBX1004', {
    detail: `${quoted(path)} leads outside ${folder}.`,
    hint: 'if that is meant, allow its folder with --allow-path',
  });
}

async function readReference(real: string, path: string): Promise<FileContent | Diagnostic> {
  const digest = sha256OfFile(real, path);
  if (!digest.ok) return digest.diagnostics[0];
  const text = readRegularFile(real, path, maxReadBytes);
  return text.ok ? { sha256: digest.value, text: text.value } : { sha256: digest.value };
}

function digestOf(sources: readonly Source[], contents: ReadonlyMap<string, FileContent | Diagnostic>): string {
  const hash = createHash('sha256');
  for (const { text } of sources) hash.update(`source ${text.length}\n`).update(text);
  for (const [path, content] of contents)
    hash.update(`file ${JSON.stringify(path)} ${'sha256' in content ? content.sha256 : 'none'}\n`);
  return hash.digest('hex');
}
