// The lock of a sandbox: an OS lock on an open file, which dies with its process and is not inherited by children.
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { errnoOf, SbxError } from '../core/errors.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import { ensurePrivateFolder, readTextIfThere } from '../host/files.ts';
import { isAlive, refOf } from '../host/processes.ts';
import { homeError, homeFailure } from './home-failure.ts';

/** Who holds a lock. */
export interface LockOwner {
  readonly pid: number;
  readonly user: string;
  /** Words of the command line, as people typed it */
  readonly command: string;
  /** Wall clock in `ms` since the epoch */
  readonly sinceMs: number;
}

export interface Lock {
  /** Gives the lock up. Safe to repeat */
  release(): void;
}

export interface LockRequest {
  /** How long to wait for another holder in `ms`; 0 tries once */
  readonly timeoutMs: number;
  readonly owner: Pick<LockOwner, 'user' | 'command'>;
  readonly signal?: AbortSignal;
  /** Called once, when somebody else holds it */
  readonly onWait?: (owner: LockOwner | undefined) => void;
}

/**
 * Takes the lock, waiting up to `timeoutMs`; SBX4001 names the holder. Makes the file and its folder.
 * Throws the signal's reason when aborted, SBX4008 when the home cannot be written, SBX6001 without flock(1).
 */
export async function acquireLock(path: string, request: LockRequest): Promise<Checked<Lock>> {
  const deadline = performance.now() + request.timeoutMs;
  await ensurePrivateFolder(dirname(path)).catch(homeFailure(`make the folder of ${path}`));
  for (let pauseMs = 20, tries = 0; ; pauseMs = Math.min(pauseMs * 2, 200), tries++) {
    request.signal?.throwIfAborted();
    const fd = await tryLock(path);
    if (fd !== undefined) return ok(heldLock(fd, request.owner));
    const owner = await readLockOwner(path);
    if (tries === 0) request.onWait?.(owner);
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) return failed(lockedBy(path, owner));
    await pause(Math.min(pauseMs, leftMs), request.signal);
  }
}

/**
 * Who holds the lock now; undefined when nobody does, or when its holder has not yet said who it is.
 * Takes and writes nothing.
 */
export async function readLockOwner(path: string): Promise<LockOwner | undefined> {
  const text = await readTextIfThere(path);
  const note = text === undefined ? undefined : parseNote(text);
  if (note === undefined) return undefined;
  // A holder in another pid namespace is not seen by its pid, but its lock is, from the outer one.
  if (!isAlive(note.process) && !isInLockTable(path)) return undefined;
  return { pid: note.process.pid, user: note.user, command: note.command, sinceMs: note.sinceMs };
}

/** What the holder writes into the file; emptied before the lock is given up. */
interface OwnerNote extends Pick<LockOwner, 'user' | 'command' | 'sinceMs'> {
  readonly process: ProcessRef;
}

/** An open file that is locked, or undefined when somebody else holds it. */
async function tryLock(path: string): Promise<number | undefined> {
  const fd = openLockFile(path);
  try {
    if (!(await flock(fd)) || !isStillThere(fd, path)) {
      closeSync(fd);
      return undefined;
    }
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** A bare descriptor: a FileHandle that nobody refers to any more would close itself. Node sets O_CLOEXEC. */
function openLockFile(path: string): number {
  try {
    return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
  } catch (cause) {
    throw homeError(`open the lock ${path}`, cause);
  }
}

/** flock(1) locks the open file that it shares with us as its descriptor 3; the lock stays when it ends. */
function flock(fd: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('flock', ['-n', '-x', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', fd],
      // Not `timeout`, whose timer stays when the program cannot be started.
      signal: AbortSignal.timeout(10_000),
      killSignal: 'SIGKILL',
    });
    child.on('error', (cause) =>
      reject(new SbxError('SBX6001', 'cannot run flock', { cause, hint: 'It is in the package util-linux.' })),
    );
    child.on('exit', (code, signal) => {
      if (code === 0 || code === 1) resolve(code === 0);
      else reject(new SbxError('SBX6001', `flock ended with ${code ?? signal}`));
    });
  });
}

/** Whoever removes a sandbox removes its lock file while holding it: a lock on the removed file locks nothing. */
function isStillThere(fd: number, path: string): boolean {
  try {
    const [ours, there] = [fstatSync(fd, { bigint: true }), statSync(path, { bigint: true })];
    return ours.ino === there.ino && ours.dev === there.dev;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function heldLock(fd: number, owner: LockRequest['owner']): Lock {
  let held = true;
  const self = refOf(process.pid);
  if (self !== undefined) writeNote(fd, { process: self, ...owner, sinceMs: Date.now() });
  return {
    release() {
      if (!held) return;
      held = false;
      ftruncateSync(fd, 0);
      closeSync(fd);
    },
  };
}

/** The lock holds without it: on a full disk, where something is to be removed, nobody can say who is at work. */
function writeNote(fd: number, note: OwnerNote): void {
  try {
    ftruncateSync(fd, 0);
    writeSync(fd, JSON.stringify(note), 0);
  } catch {
    // Whoever waits is told of "another process".
  }
}

function parseNote(text: string): OwnerNote | undefined {
  try {
    const note = JSON.parse(text);
    const complete =
      typeof note.process?.pid === 'number' && typeof note.user === 'string' && typeof note.command === 'string';
    return complete && typeof note.sinceMs === 'number' ? note : undefined;
  } catch {
    // Empty, or being written at this moment.
    return undefined;
  }
}

/** Looks the file's inode up in /proc/locks (proc(5)). Locks of other pid namespaces are not listed there. */
function isInLockTable(path: string): boolean {
  try {
    const inode = String(statSync(path, { bigint: true }).ino);
    const lines = readFileSync('/proc/locks', 'latin1').split('\n');
    return lines.some((line) => line.includes(' FLOCK ') && line.includes(`:${inode} `));
  } catch {
    // The file went at this moment, or there is no such table: nothing says that it is held.
    return false;
  }
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await delay(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

function lockedBy(path: string, owner: LockOwner | undefined): Diagnostic {
  const who =
    owner === undefined
      ? 'another process'
      : `process ${owner.pid} of ${owner.user} since ${new Date(owner.sinceMs).toISOString()}: ${owner.command}`;
  return diagnostic('SBX4001', {
    detail: `${path} is held by ${who}`,
    hint: 'Wait until it is done, or let sbx wait with --lock-timeout 5m.',
  });
}
