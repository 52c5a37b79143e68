// The built sbx as a process of its own over the fake VMM: for faults that only a process can have, and for what it leaves behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { type Fault, type InstalledFake, installFake, setFaults } from '../fakes/cloud-hypervisor/install.ts';
import { elfKernel } from './image-files.ts';
import { filesOf, processesOf, type Run, runProgram } from './sandbox-host.ts';

const dist = fileURLToPath(new URL('../../dist/', import.meta.url));

/** Why such tests cannot run here; false when they can. */
export const whyNoProgram: string | false = !existsSync(join(dist, 'sbx.cjs'))
  ? 'needs the built sbx: npm run build'
  : process.getuid?.() !== 0
    ? 'needs root: the fake VMM has a hub that namespaces of other users cannot reach'
    : false;

/** A sandbox folder, a home, a fake VMM and a private copy of the program. */
export interface ProgramHost {
  readonly root: string;
  readonly folder: string;
  readonly home: string;
  readonly fake: InstalledFake;
  readonly env: Record<string, string>;
  readonly write: (yaml: string) => void;
  readonly argv: (...args: readonly string[]) => readonly string[];
  /** Runs sbx to its end */
  readonly sbx: (...args: readonly string[]) => Promise<Run>;
  /** Starts sbx, with its end */
  readonly start: (...args: readonly string[]) => ChildProcess & { readonly ended: Promise<Run> };
  /** Changes of the next plan, as `create vm.a` */
  readonly changes: () => Promise<readonly string[]>;
  /** Calls that the VMMs got since the last time that it was asked */
  readonly calls: () => Promise<readonly string[]>;
  /** Makes the VMM of the only VM misbehave, also before it is started */
  readonly faults: (...faults: readonly Fault[]) => Promise<void>;
  readonly statePath: string;
  readonly journalPath: string;
  /** Processes and files that sbx left, but what every home keeps */
  readonly leftovers: () => readonly string[];
}

/** A file with one VM called `a` on a network of its own. */
export const oneVm = `version: 1
name: shop
images: { base: { kernel: ./vmlinuz, disk: ./root.img } }
networks: { lan: { mode: isolated } }
vms:
  a: { image: base, cpus: { count: 1, max: 4 }, memory: 256MiB, disks: { root: {} }, networks: { lan: {} } }
`;

/** Makes one; everything goes at the end of the test, by force. `at` is the parent of the home, if that is to be elsewhere. */
export async function makeProgramHost(
  t: Test,
  options: { readonly home?: string; readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<ProgramHost> {
  const root = mkdtempSync('/tmp/sbxf-');
  const [folder, home] = [join(root, 'box'), options.home ?? join(root, 'h')];
  mkdirSync(folder);
  mkdirSync(home, { recursive: true, mode: 0o700 });
  // Somebody may be building meanwhile.
  cpSync(dist, join(root, 'dist'), { recursive: true });
  writeFileSync(join(folder, 'vmlinuz'), elfKernel());
  writeFileSync(join(folder, 'root.img'), Buffer.alloc(1024 * 1024, 'r'));
  const fake = await installFake(join(root, 'bin'), options.settings ?? {});
  const env: Record<string, string> = {
    HOME: root,
    PATH: `${fake.folder}:${process.env['PATH']}`,
    SBX_KVM: 'assume',
  };
  const argv: ProgramHost['argv'] = (...args) => [
    process.execPath,
    join(root, 'dist/sbx.cjs'),
    '--home',
    home,
    ...args,
  ];
  const sbx: ProgramHost['sbx'] = (...args) => runProgram(argv(...args), { cwd: folder, env });
  let seen = 0;
  t.teardown(async () => {
    for (const { pid } of processesOf(root)) killQuietly(pid);
    await fake.stop();
    rmSync(root, { recursive: true, force: true });
  });
  return {
    root,
    folder,
    home,
    fake,
    env,
    argv,
    sbx,
    write: (yaml) => writeFileSync(join(folder, 'sbx.yaml'), yaml),
    start: (...args) => startProgram(argv(...args), folder, env),
    changes: async () => {
      const { stdout } = await sbx('plan', '--json');
      const { changes = [] } = JSON.parse(stdout) as { changes?: { action: string; address: string }[] };
      return changes.map(({ action, address }) => `${action} ${address}`);
    },
    calls: async () => {
      const all = (await fake.calls()).map(({ action }) => action);
      const fresh = all.slice(seen);
      seen = all.length;
      return fresh;
    },
    faults: async (...faults) => setFaults(join(runFolderOf(home), 'api.sock'), faults),
    statePath: join(home, 'state/shop.json'),
    journalPath: join(home, 'state/shop.journal'),
    leftovers: () => [...processesOf(home).map(({ words }) => words), ...filesOf(home)],
  };
}

/** Waits until something is so; fails the test loudly after `limitMs`. */
export async function until(what: string, test: () => unknown, limitMs = 60_000): Promise<void> {
  for (const deadline = Date.now() + limitMs; !(await test()); await delay(10)) {
    if (Date.now() > deadline) throw new TypeError(`it never came to this: ${what}`);
  }
}

function startProgram(
  argv: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>>,
): ChildProcess & { readonly ended: Promise<Run> } {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { cwd, env: { ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  const out = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    out.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    out.stderr += chunk;
  });
  const ended = new Promise<Run>((resolve) => {
    child.once('close', (code, signal) => resolve({ code: code ?? (signal === 'SIGKILL' ? 137 : 255), ...out }));
  });
  return Object.assign(child, { ended });
}

/** Run folder of the only VM, which has the API socket in it. */
function runFolderOf(home: string): string {
  const [mark = ''] = readdirSync(join(home, 'run'));
  const [vm = ''] = readdirSync(join(home, 'run', mark)).filter((name) => /^[0-9a-f]{8}$/.test(name));
  return join(home, 'run', mark, vm);
}

/** Kills a process that may have ended by itself. */
export function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** Whether a file holds a text; false when there is no such file. */
export function holds(path: string, text: string): boolean {
  return existsSync(path) && readFileSync(path, 'latin1').includes(text);
}
