// A home of its own for end-to-end tests: runs the built sbx as a user would, and looks for everything it could leave behind.
import { execFile, spawn } from 'node:child_process';
import {
  type Dirent,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';

const program = join(import.meta.dirname, '../../dist/sbx.cjs');

/** How a run of sbx ended. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A sandbox folder and a home of their own. */
export interface SandboxHost {
  /** Folder with sbx.yaml */
  readonly folder: string;
  readonly home: string;
  readonly write: (yaml: string) => void;
  /** Command line of sbx with this home */
  readonly argv: (...args: readonly string[]) => readonly string[];
  /** Runs sbx in the folder; any exit code is fine */
  readonly sbx: (...args: readonly string[]) => Promise<Run>;
  /** Runs sbx and fails the test when it does not end with 0 */
  readonly ok: (...args: readonly string[]) => Promise<string>;
  /** Processes with the home on their command line, and files and links that are left */
  readonly leftovers: () => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Why end-to-end tests cannot run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (!existsSync(program)) return 'needs the built sbx (npm run build)';
  if (!existsSync('/usr/bin/qemu-system-x86_64')) return 'needs qemu-system-x86_64';
  return undefined;
}

/** A clean environment: what tap sets would reach detached children. */
function cleanEnvironment(home: string): Record<string, string> {
  const kept = ['PATH', 'LANG', 'TMPDIR', 'SBX_KVM'].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { HOME: home, ...Object.fromEntries(kept) };
}

/** Runs a program to its end, whatever the code. */
export function runProgram(
  argv: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<Run> {
  const [file = '', ...args] = argv;
  return new Promise((resolve) => {
    const child = execFile(
      file,
      args,
      { ...options, env: { ...options.env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
        resolve({ code, stdout, stderr });
      },
    );
    child.stdin?.end();
  });
}

/** Cache of images that all end-to-end tests of this user share; the tiny image is in it when the promise resolves. */
async function sharedCache(): Promise<string> {
  const shared = process.env['SBX_TEST_SHARED_HOME'] ?? join(tmpdir(), `sbx-e2e-${process.getuid?.() ?? 0}`);
  mkdirSync(shared, { recursive: true, mode: 0o700 });
  const built = await runProgram([process.execPath, program, '--home', shared, 'image', 'build', 'tiny'], {
    cwd: shared,
    env: cleanEnvironment(shared),
  });
  if (built.code !== 0) throw new TypeError(`the tiny image was not built: ${built.stderr}`);
  return join(shared, 'cache');
}

/** Makes a home; at the end of the test everything in it is destroyed, by force if need be. */
export async function makeSandboxHost(t: Test): Promise<SandboxHost> {
  const cache = await sharedCache();
  const root = mkdtempSync(join(tmpdir(), 'sbxe-'));
  const home = join(root, 'home');
  const folder = join(root, 'box');
  mkdirSync(home, { mode: 0o700 });
  mkdirSync(folder);
  symlinkSync(cache, join(home, 'cache'));
  const env = cleanEnvironment(root);
  // What runs the tests loads itself into every Node.js below, also into what outlives them.
  const clean = ['/usr/bin/env', '-u', 'NODE_OPTIONS', process.execPath];
  const argv: SandboxHost['argv'] = (...args) => [...clean, program, '--home', home, ...args];
  const sbx: SandboxHost['sbx'] = (...args) => runProgram(argv(...args), { cwd: folder, env });
  t.teardown(() => {
    killAll(home);
    rmSync(root, { recursive: true, force: true });
  });
  return {
    folder,
    home,
    env,
    write: (yaml) => writeFileSync(join(folder, 'sbx.yaml'), yaml),
    argv,
    sbx,
    ok: async (...args) => {
      const run = await sbx(...args);
      t.equal(run.code, 0, `sbx ${args.join(' ')} ends with 0`, { stdout: run.stdout, stderr: run.stderr });
      return run.stdout;
    },
    leftovers: () => [
      ...processesOf(home).map(({ words }) => `process ${words}`),
      ...linksHere(),
      ...filesOf(home).map((path) => `file ${path}`),
    ],
  };
}

/** An sbx that was started and is not waited for. */
export interface RunningSbx {
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Resolves when its output so far matches; rejects when it ended before, or after two minutes */
  readonly said: (pattern: RegExp) => Promise<void>;
  /** Resolves at its end; a signal that ended it gives 128 and its number */
  readonly ended: Promise<Run>;
}

/** Starts sbx without waiting for its end. */
export function startSbx(host: SandboxHost, ...args: readonly string[]): RunningSbx {
  const [file = '', ...words] = host.argv(...args);
  const child = spawn(file, words, {
    cwd: host.folder,
    env: { ...host.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => (text.stdout += chunk));
  child.stderr.on('data', (chunk) => (text.stderr += chunk));
  let over = false;
  const ended = new Promise<Run>((resolve) => {
    child.on('close', (code, signal) => {
      over = true;
      resolve({ ...text, code: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
    });
  });
  const said = async (pattern: RegExp): Promise<void> => {
    await eventually(`${pattern} of sbx ${args.join(' ')}`, () => over || pattern.test(text.stdout + text.stderr));
    if (!pattern.test(text.stdout + text.stderr)) throw new TypeError(`it ended: ${text.stdout}${text.stderr}`);
  };
  return { kill: (signal) => child.kill(signal), said, ended };
}

/** Resolves when the condition holds; looks often, and rejects with `what` after a time: in words, or made when it is known what is wrong. */
export async function eventually(
  what: string | (() => string),
  holds: () => boolean | Promise<boolean>,
  withinMs = 120_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline)
      throw new TypeError(`not within ${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    await delay(100);
  }
}

/** A process that names a home on its command line. */
export interface NamingProcess {
  readonly pid: number;
  readonly words: string;
  readonly parent: number;
}

/** Running processes with the home on their command line. */
export function processesOf(home: string): readonly NamingProcess[] {
  const found = readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const [, state, parent] = /^.*\) (\S) (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, 'latin1')) ?? [];
      return words.includes(home) && state !== 'Z' ? [{ pid: Number(name), words, parent: Number(parent) }] : [];
    } catch {
      return [];
    }
  });
  // A shell that is about to run a program has a child with its own words for a moment, which is none to be counted.
  const wordsOf = new Map(found.map(({ pid, words }) => [pid, words]));
  return found.filter(({ parent, words }) => wordsOf.get(parent) !== words);
}

/** Those of them whose command line holds the words. */
export function processesSaying(home: string, words: string): readonly NamingProcess[] {
  return processesOf(home).filter((one) => one.words.includes(words));
}

/** The process of the only VM, whatever runs it. */
export function vmmOf(host: Pick<SandboxHost, 'home'>): { readonly pid: number } {
  const found = processesOf(host.home).find(({ words }) => /^\S*(qemu-system-x86_64|cloud-hypervisor) /.test(words));
  if (found === undefined) throw new TypeError('no VMM runs');
  return found;
}

function linksHere(): readonly string[] {
  return readdirSync('/sys/class/net')
    .filter((name) => name.startsWith('sbx'))
    .map((name) => `link ${name}`);
}

/** Files that belong to a sandbox; the home itself keeps its key, its cache and what it knows of this host. */
export function filesOf(home: string): readonly string[] {
  const kept = new Set(['key', 'known.json', 'host.json', 'host.lock', 'cache']);
  const walk = (folder: string): readonly string[] =>
    entriesOf(folder).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (folder === home && kept.has(entry.name)) return [];
      return entry.isDirectory() ? walk(path) : [path];
    });
  return walk(home);
}

/** What is in a folder; nothing when it is gone, since others may be removing it while it is looked at. */
function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function killAll(home: string): void {
  for (const { pid } of processesOf(home)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It ended by itself.
    }
  }
}
