// The rim of loading: finds and reads sandbox files, variable files and the files that they name, within bounds.
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { collectFileReferences, type ExpandInputs, type FileContent, type ResolvedPath } from '../core/expand/index.ts';
import { type Document, loadDocument, parseYamlMap, type Source } from '../core/load/index.ts';
import { quoted } from '../core/load/quote.ts';
import { leadsOutside, realPathOf, resolveAllowed } from './folder-rule.ts';
import { compilePatterns } from './patterns.ts';
import { readRegularFile, sha256OfFile } from './read-file.ts';
import { folderOf, readSource, type SourceOptions, sandboxFiles, stdinName } from './source-files.ts';

/** What the command line says about sources. */
export interface ReadSourcesOptions extends SourceOptions {
  /** `--var` values: `name=value` */
  readonly vars: readonly string[];
  readonly varFiles: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly instance?: string;
  readonly allowPublicPorts: boolean;
}

/** Everything that was read. */
export interface Loaded {
  readonly document: Document;
  /** Absolute folder of the first file; the working directory for standard input */
  readonly folder: string;
  /** Absolute paths of the sandbox files; `-` is standard input */
  readonly files: readonly string[];
  /** Gives the hex SHA-256 over all sources and the files that they name */
  readonly digest: () => string;
  /** All that `expand` needs but the earlier choices in the state */
  readonly expandInputs: Omit<ExpandInputs, 'allocations'>;
}

const maxReadBytes = 64 * 1024;
const variablePrefix = 'SBX_VAR_';
const instancePattern = /^[a-z0-9][a-z0-9-]{0,30}$/;

/** Reads, parses and checks what a command works on. SBX0001, SBX1001 to SBX1005 and all of `loadDocument`. */
export async function readSources(options: ReadSourcesOptions): Promise<Checked<Loaded>> {
  const usage = usageProblems(options);
  const found = sandboxFiles(options);
  if (!found.ok) return { ok: false, diagnostics: [...usage, ...found.diagnostics] as never };
  const files = found.value;
  const sources: Source[] = [];
  const problems: Diagnostic[] = [...usage];
  for (const file of files) {
    const source = await readSource(options, file);
    if (source.ok) sources.push(source.value);
    else problems.push(...source.diagnostics);
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
  const folder = folderOf(options.cwd, files[0] ?? stdinName);
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
  if ([...options.files, ...options.varFiles].filter((file) => file === stdinName).length > 1)
    problems.push(diagnostic('SBX0001', { detail: 'Standard input (-) can be read as one file only.' }));
  if (options.instance !== undefined && !instancePattern.test(options.instance))
    problems.push(
      diagnostic('SBX0001', {
        detail: `--instance takes small letters, digits and hyphens, at most 31, not ${quoted(options.instance)}.`,
      }),
    );
  return problems;
}

async function readVariableFiles(options: ReadSourcesOptions): Promise<Checked<VariableFiles>> {
  const files: { path: string; values: Readonly<Record<string, unknown>> }[] = [];
  for (const each of options.varFiles) {
    const source = await readSource(options, each);
    if (!source.ok) return source;
    const values = parseYamlMap({ ...source.value, secret: 'all' });
    if (!values.ok) return values;
    files.push({ path: source.value.path, values: values.value });
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
  return leadsOutside(path, folder);
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
