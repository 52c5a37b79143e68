// Small programs of the tests that are run as processes of their own, to be killed: bundled once, so that they start fast.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import type { Test } from 'tap';

/** Bundles `test/support/<name>.ts` and gives the argv that runs it. */
export function bundledProgram(t: Test, name: string): readonly string[] {
  const folder = mkdtempSync('/tmp/sbx-bin-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, `${name}.mjs`);
  buildSync({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Draws on terminals only, and these programs have none.
    external: ['*/ink-view.tsx'],
    // Libraries in CommonJS require modules of Node.
    banner: { js: "import { createRequire as cr } from 'node:module'; const require = cr(import.meta.url);" },
    logLevel: 'error',
  });
  return [process.execPath, outfile];
}

/** What the program of a test says until it ends; a clean environment, one thread for file work. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly lines: readonly string[];
}

const environment = { PATH: process.env['PATH'], UV_THREADPOOL_SIZE: '1' };

/** A program that runs. */
export interface StartedProgram {
  readonly child: ChildProcess;
  /** Resolves when it says something more; rejects with all that it said when it ends instead */
  readonly saysMore: () => Promise<void>;
  readonly ended: Promise<Ended>;
}

/** Starts a program; it is killed with the test. */
export function startProgram(t: Test, argv: readonly string[]): StartedProgram {
  const [file = '', ...args] = argv;
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], env: environment });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  child.stdout?.on('data', (chunk) => {
    said += chunk;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal, lines: said.split('\n').slice(0, -1) }));
  });
  const saysMore = async (): Promise<void> => {
    const early = ended.then(({ code, signal }) => {
      throw new TypeError(`it ended with ${code ?? signal}: ${said.slice(-1000)}`);
    });
    await Promise.race([once(child.stdout ?? child, 'data'), early]);
  };
  return { child, saysMore, ended };
}

/** Whether strace can trace processes here, and inject faults into them; else why not. */
export function straceProblem(): string | undefined {
  const tried = spawnSync('strace', ['-qq', '-f', '-e', 'inject=fdatasync:error=EIO:when=1', 'true'], {
    stdio: 'pipe',
  });
  if (tried.error !== undefined) return 'there is no strace';
  return tried.status === 0 ? undefined : `strace cannot trace here: ${String(tried.stderr).trim()}`;
}

/** The argv under strace, with its log in `log`. `rules` are values of -e. */
export function traced(argv: readonly string[], log: string, rules: readonly string[]): readonly string[] {
  return ['strace', '-qq', '-f', '-s', '4096', '-o', log, ...rules.flatMap((rule) => ['-e', rule]), ...argv];
}
