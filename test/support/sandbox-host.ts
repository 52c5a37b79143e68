// A home of its own for end-to-end tests: runs the built sbx as a user would, and looks for everything it could leave behind.
import { execFile, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
  const sbx: SandboxHost['sbx'] = (...args) =>
    runProgram([process.execPath, program, '--home', home, ...args], { cwd: folder, env });
  t.teardown(() => {
    killAll(home);
    rmSync(root, { recursive: true, force: true });
  });
  return {
    folder,
    home,
    env,
    write: (yaml) => writeFileSync(join(folder, 'sbx.yaml'), yaml),
    sbx,
    ok: async (...args) => {
      const run = await sbx(...args);
      t.equal(run.code, 0, `sbx ${args.join(' ')} ends with 0`, { stdout: run.stdout, stderr: run.stderr });
      return run.stdout;
    },
    leftovers: () => [...processesOf(home).map(({ words }) => `process ${words}`), ...linksHere(), ...filesOf(home)],
  };
}

/** Starts sbx without waiting for its end. */
export function startSbx(host: SandboxHost, ...args: readonly string[]): ReturnType<typeof spawn> {
  return spawn(process.execPath, [program, '--home', host.home, ...args], {
    cwd: host.folder,
    env: { ...host.env },
    stdio: 'ignore',
  });
}

/** Running processes with the home on their command line. */
export function processesOf(home: string): readonly { readonly pid: number; readonly words: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const state = readFileSync(`/proc/${name}/stat`, 'latin1').replace(/^.*\) /s, '')[0];
      return words.includes(home) && state !== 'Z' ? [{ pid: Number(name), words }] : [];
    } catch {
      return [];
    }
  });
}

function linksHere(): readonly string[] {
  return readdirSync('/sys/class/net')
    .filter((name) => name.startsWith('sbx'))
    .map((name) => `link ${name}`);
}

/** What belongs to a sandbox; the home itself keeps its key, its cache and what it knows of this host. */
function filesOf(home: string): readonly string[] {
  const kept = new Set(['key', 'known.json', 'host.json', 'host.lock', 'cache']);
  const walk = (folder: string): readonly string[] =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (folder === home && kept.has(entry.name)) return [];
      return entry.isDirectory() ? walk(path) : [`file ${path}`];
    });
  return existsSync(home) ? walk(home) : [];
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
