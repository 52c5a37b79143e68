// Running programs of the host to their end: argv arrays, a time limit, bounded output.
import { spawn } from 'node:child_process';
import { SbxError } from '../core/errors.ts';

export interface RunOptions {
  /** Text for standard input; none means /dev/null */
  readonly input?: string;
  readonly cwd?: string;
  /** The whole environment; default is that of sbx */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Kills the program after this many `ms`; default 60 000 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const outputLimit = 64 * 1024 * 1024;

/** Runs a program and gives its exit code and output, whatever the code. Throws SBX6001 when it cannot be started, was killed, or ran too long. */
export function tryRun(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program = '', ...args] = argv;
  const timeoutMs = options.timeoutMs ?? 60_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...options.env } }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const out = collect(child.stdout);
    const err = collect(child.stderr);
    child.on('error', (cause) => reject(new SbxError('SBX6001', `cannot run ${program}`, { cause })));
    child.on('close', (code, signal) => {
      if (code !== null) resolve({ code, stdout: out(), stderr: err() });
      else
        reject(
          new SbxError('SBX6001', `${argv.join(' ')} was ended by ${signal} (limit ${timeoutMs} ms): ${err().trim()}`),
        );
    });
    // A program that ends without reading its input breaks the pipe; its exit code tells more.
    child.stdin?.on('error', () => undefined);
    if (options.input !== undefined) child.stdin?.end(options.input);
  });
}

/** Runs a program that must end with 0 and gives its standard output. Throws SBX6001 with the program's own words. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const result = await tryRun(argv, options);
  if (result.code === 0) return result.stdout;
  const said = shortened(result.stderr.trim() || result.stdout.trim(), 800);
  throw new SbxError(
    'SBX6001',
    `${shortened(argv.join(' '), 160)} ended with ${result.code}${said === '' ? '' : `: ${said}`}`,
  );
}

/** What fits of a text that is there to be read by people. */
function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most)} …`;
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream?.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= outputLimit) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
