// An OS lock on a file that dies with its holder: taken by flock(1) on a descriptor that stays open here.
import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { SbxError } from '../core/errors.ts';

/** Runs `work` while this process alone holds the lock; waits up to `timeoutMs` for others. Throws SBX7001 after that. */
export async function withFileLock<T>(
  path: string,
  work: () => Promise<T>,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<T> {
  const file = openSync(path, 'a', 0o600);
  try {
    await lock(file, path, options);
    return await work();
  } finally {
    closeSync(file);
  }
}

function lock(
  file: number,
  path: string,
  options: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const seconds = String(Math.ceil(options.timeoutMs / 1000));
    const child = spawn('flock', ['-x', '-w', seconds, '3'], {
      stdio: ['ignore', 'ignore', 'ignore', file],
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    child.once('error', (cause) => reject(new SbxError('SBX7001', `cannot lock ${path}`, { cause })));
    child.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new SbxError('SBX7001', `another sbx has been building this image for ${seconds} s (lock ${path})`));
    });
  });
}
