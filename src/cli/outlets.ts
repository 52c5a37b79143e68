// Standard output and error of the process: what is written to them is waited for, and a write that failed is known.
import { closeSync, fstatSync, type Stats, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import { errnoOf } from '../core/errors.ts';
import type { Io } from './services.ts';

/** A write that failed. */
export interface Loss {
  readonly stream: 'standard output' | 'standard error';
  readonly cause: unknown;
  /** Whoever read it has gone, as in `sbx status | head -1`, or the terminal was closed: that is nobody's error */
  readonly gone: boolean;
}

/** The streams of the process, with what became of the writes to them. */
export interface Outlets {
  readonly io: Io;
  /** Waits until all that was written is out, however slowly it is read. Gives the first write that failed. */
  settle(): Promise<Loss | undefined>;
}

/** The streams of a process; `onGone` is told when nobody reads any more. Node makes each at its first use, which costs some milliseconds. */
export function openOutlets(proc: NodeJS.Process, onGone: () => void): Outlets {
  const opened: Writable[] = [];
  let loss: Loss | undefined;
  const open = (fd: 1 | 2): NodeJS.WriteStream | Writable => {
    const found = outletOf(proc, fd);
    found.on('error', (cause) => {
      const gone = isGone(cause, fd);
      loss ??= { stream: fd === 1 ? 'standard output' : 'standard error', cause, gone };
      if (gone) onGone();
    });
    opened.push(found);
    return found;
  };
  let stdout: NodeJS.WriteStream | Writable | undefined;
  let stderr: NodeJS.WriteStream | Writable | undefined;
  return {
    io: {
      get stdin() {
        return proc.stdin;
      },
      get stdout() {
        stdout ??= open(1);
        return stdout;
      },
      get stderr() {
        stderr ??= open(2);
        return stderr;
      },
    },
    settle: async () => {
      await Promise.all(opened.map(flushed));
      return loss;
    },
  };
}

/** Node's own stream for terminals, pipes and sockets. For all others it loses what a write leaves over on a full disk. */
function outletOf(proc: NodeJS.Process, fd: 1 | 2): NodeJS.WriteStream | Writable {
  const stats = statsOf(fd);
  if (stats === undefined || stats.isFIFO() || stats.isSocket() || isatty(fd))
    return fd === 1 ? proc.stdout : proc.stderr;
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      try {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
        done();
      } catch (error) {
        done(error instanceof Error ? error : null);
      }
    },
  });
}

async function flushed(stream: Writable): Promise<void> {
  if (stream.writableLength > 0) await new Promise<void>((resolve) => stream.write('', () => resolve()));
  // An error is told one turn after the write that met it.
  await new Promise((resolve) => setImmediate(resolve));
}

function isGone(cause: unknown, fd: number): boolean {
  const errno = errnoOf(cause);
  if (errno === 'EIO') return statsOf(fd)?.isCharacterDevice() === true;
  return errno === 'EPIPE' || errno === 'ECONNRESET';
}

function statsOf(fd: number): Stats | undefined {
  try {
    return fstatSync(fd);
  } catch {
    // It is not open: Node has a stream for that as well.
    return undefined;
  }
}

/**
 * Closes standard streams whose terminal was closed. At its end Node gives every terminal its settings back, and aborts
 * (or dies by SIGSEGV, where standard input was used) when that fails, as it does once the other side is gone. To be
 * called last, when the process ends. `hungUp` closes terminals that were said to be gone and do not show it yet.
 */
export function letGoOfClosedTerminals(hungUp: boolean): void {
  for (const fd of [0, 1, 2]) if (statsOf(fd)?.isCharacterDevice() === true && (hungUp || !isatty(fd))) closeSync(fd);
}
