// Programs of the host whose standard streams are connected to something else than memory.
import { spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { SbxError } from '../core/errors.ts';

/** A running program. `ended` never rejects for an exit code; it does when the program cannot be run. */
export interface StreamedCommand {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly ended: Promise<{ readonly code: number; readonly stderr: string }>;
}

const stderrLimit = 64 * 1024;

/** Starts a program with piped streams; of standard error the first 64 KiB are kept. */
export function streamCommand(
  argv: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): StreamedCommand {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, {
    stdio: 'pipe',
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < stderrLimit) stderr += chunk.toString('utf8');
  });
  // A program that ends before it read everything: its exit code tells more than the broken pipe.
  child.stdin.on('error', () => undefined);
  const ended = new Promise<{ code: number; stderr: string }>((resolve, reject) => {
    child.once('error', (cause) => reject(new SbxError('SBX6001', `cannot run ${program}`, { cause })));
    child.once('close', (code, signal) => resolve({ code: code ?? 128, stderr: stderr.trim() || (signal ?? '') }));
  });
  return { stdin: child.stdin, stdout: child.stdout, ended };
}
