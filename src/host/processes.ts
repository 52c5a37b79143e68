// Processes that outlive sbx: started detached, known by pid + start time + boot id, ended politely and then not.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, SbxError } from '../core/errors.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import { makeWayForFile } from './own-files.ts';
import { holdsFileIn, isOwnProcess } from './own-process.ts';
import { mayBeSignalled, pidNamespace } from './process-view.ts';

let cachedBootId: string | undefined;

/** Boot id of this host. */
export function bootId(): string {
  cachedBootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return cachedBootId;
}

/** What the kernel tells of a process, see proc_pid_stat(5). */
export interface ProcessStat {
  /** Whether it has ended and only waits for its parent to notice */
  readonly dead: boolean;
  /** Whether it has begun to end: its files, namespaces and words may be gone while it is not yet dead */
  readonly exiting: boolean;
  /** Whether a signal or a debugger holds it: it does nothing, not even end on SIGTERM */
  readonly stopped: boolean;
  readonly parent: number;
  /** In clock ticks since boot */
  readonly startTime: string;
}

/** Longest time that a process which is on its way out is waited for: a large guest's memory takes a while to be given back. */
const endingWithinMs = 5000;

/** PF_EXITING of the kernel's include/linux/sched.h */
const exitingFlag = 0x4;

/** What the kernel tells of a pid, or undefined when there is no such process. */
export function readStat(pid: number): ProcessStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch (error) {
    // With hidepid=1 files of hidden processes give EPERM.
    if (['ENOENT', 'ESRCH', 'EPERM', 'EACCES'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}

/** Reads a line of /proc/PID/stat. */
export function parseStat(text: string): ProcessStat {
  // The command may hold blanks and brackets: fields count from the last closing one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const state = fields[0] ?? 'X';
  // A `Z` with more than one thread: the first ended before the others, which still hold files and locks.
  const threads = Number(fields[17]);
  return {
    dead: state === 'X' || (state === 'Z' && threads <= 1),
    parent: Number(fields[1]),
    exiting: (Number(fields[6]) & exitingFlag) !== 0,
    stopped: state === 'T' || state === 't',
    startTime: fields[19] ?? '',
  };
}

/** The reference of a running pid, or undefined when it is gone (zombies are). */
export function refOf(pid: number): ProcessRef | undefined {
  const stat = readStat(pid);
  return stat === undefined || stat.dead ? undefined : refFor(pid, stat.startTime);
}

/** A reference alone, of a process that is known in more ways. */
export function plainRef({ pid, startTime, bootId: boot, pidns }: ProcessRef): ProcessRef {
  return { pid, startTime, bootId: boot, ...(pidns === undefined ? {} : { pidns }) };
}

function refFor(pid: number, startTime: string): ProcessRef {
  const pidns = pidNamespace();
  return { pid, startTime, bootId: bootId(), ...(pidns === undefined ? {} : { pidns }) };
}

/**
 * Where a recorded process is: `here` to be looked at, `gone`, or there is no telling. `elsewhere`: its pid is one of another
 * pid namespace; `hidden`: something of ours has the pid, and /proc does not show it.
 */
export function presenceOf(ref: ProcessRef): 'here' | 'gone' | 'elsewhere' | 'hidden' {
  if (ref.bootId !== bootId()) return 'gone';
  if (isElsewhere(ref)) return 'elsewhere';
  if (statOf(ref) !== undefined) return 'here';
  return readStat(ref.pid) === undefined && mayBeSignalled(ref.pid) ? 'hidden' : 'gone';
}

/** Whether a recorded pid is one of another pid namespace. Looks at nothing. */
export function isElsewhere(ref: ProcessRef): boolean {
  return ref.pidns !== undefined && ref.pidns !== pidNamespace();
}

/** Whether exactly this process is still there, be it on its way out: it holds its locks and sockets to the end. */
export function isAlive(ref: ProcessRef | undefined): boolean {
  return statOf(ref) !== undefined;
}

/** Whether exactly this process is there and has not begun to end: what it has can be used. */
export function isRunning(ref: ProcessRef | undefined): boolean {
  return statOf(ref)?.exiting === false;
}

/** Whether exactly this process is there and can do something: it has not begun to end, and nobody stopped it. */
export function isWorking(ref: ProcessRef | undefined): boolean {
  const stat = statOf(ref);
  return stat?.exiting === false && !stat.stopped;
}

function statOf(ref: ProcessRef | undefined): ProcessStat | undefined {
  if (ref === undefined || ref.bootId !== bootId() || isElsewhere(ref)) return undefined;
  const stat = readStat(ref.pid);
  return stat === undefined || stat.startTime !== ref.startTime || stat.dead ? undefined : stat;
}

/** Words of a process's command line; empty when it is gone or not ours to read. */
export function commandLineOf(pid: number): readonly string[] {
  try {
    const text = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    return text === '' ? [] : text.replace(/\0$/, '').split('\0');
  } catch {
    // Gone, or another user's: neither can be one that we look for.
    return [];
  }
}

/**
 * Running processes of this user whose command line satisfies a test. Reads all of /proc once. With `folders`, only those
 * that hold a file open in one of them: words alone are in a shell, a tracer or an editor too. A child that still has the
 * words of its parent, between fork and exec, is none.
 */
export function findProcesses(
  matches: (argv: readonly string[]) => boolean,
  folders?: readonly string[],
): readonly ProcessRef[] {
  const found = new Map<number, { readonly words: string; readonly stat: ProcessStat }>();
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!/^\d+$/.test(name) || pid === process.pid) continue;
    const argv = commandLineOf(pid);
    const stat = matches(argv) && isOwnProcess(pid) ? readStat(pid) : undefined;
    if (stat !== undefined && !stat.dead) found.set(pid, { words: argv.join('\0'), stat });
  }
  return [...found]
    .filter(([, { words, stat }]) => found.get(stat.parent)?.words !== words)
    .filter(([pid]) => folders === undefined || holdsFileIn(pid, folders))
    .map(([pid, { stat }]) => refFor(pid, stat.startTime));
}

/** Starts a process in its own session that survives sbx; stdout and stderr go to the end of `logPath`. umask 077 applies. */
export async function spawnDetached(
  argv: readonly string[],
  options: {
    readonly logPath: string;
    readonly cwd?: string;
    readonly env?: Readonly<Record<string, string>>;
    /** Drops standard output: for programs that tell there what nobody will read */
    readonly quiet?: boolean;
  },
): Promise<ProcessRef & { readonly exited: Promise<number | string> }> {
  const [program = '', ...args] = argv;
  makeWayForFile(options.logPath);
  const log = openSync(options.logPath, 'a', 0o600);
  try {
    const child = underUmask(0o077, () =>
      spawn(program, args, {
        detached: true,
        stdio: ['ignore', options.quiet === true ? 'ignore' : log, log],
        cwd: options.cwd ?? '/',
        env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/', ...options.env },
      }),
    );
    const exited = new Promise<number | string>((resolve) => {
      child.once('exit', (code, signal) => resolve(code ?? signal ?? 'unknown'));
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', (cause) => reject(new SbxError('SBX6001', `cannot run ${program}`, { cause })));
    });
    child.unref();
    const pid = child.pid ?? 0;
    const stat = readStat(pid);
    return { ...refFor(pid, stat?.startTime ?? ''), exited };
  } finally {
    closeSync(log);
  }
}

/** Does work that must not wait for anything: the umask is that of the whole process. */
function underUmask<T>(mask: number, work: () => T): T {
  const before = process.umask(mask);
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

/** Sends SIGTERM, waits, then SIGKILL; resolves when the process is gone. A pid that was reused is never touched. */
export async function endProcess(ref: ProcessRef | undefined, graceMs = 2000): Promise<void> {
  if (ref === undefined || !isAlive(ref)) return;
  // What is stopped hears nothing else.
  if (statOf(ref)?.stopped !== true) {
    signalProcess(ref, 'SIGTERM');
    if (await waitForEnd(ref, graceMs)) return;
  }
  signalProcess(ref, 'SIGKILL');
  if (!(await waitForEnd(ref, 10_000))) throw new SbxError('SBX6002', `process ${ref.pid} does not end on SIGKILL`);
}

/** Sends a signal to exactly this process; a process that is gone is no error. */
export function signalProcess(ref: ProcessRef, signal: NodeJS.Signals): void {
  if (!isAlive(ref)) return;
  try {
    process.kill(ref.pid, signal);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

/** Waits until the process is gone; false when it still runs after `timeoutMs`. */
export async function waitForEnd(ref: ProcessRef, timeoutMs: number): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (let pauseMs = 2; isAlive(ref); pauseMs = Math.min(pauseMs * 2, 50)) {
    if (performance.now() >= deadline) return false;
    await delay(pauseMs);
  }
  return true;
}

/** Whether a process is gone, or has begun to end and is gone soon. One that works on is not waited for. */
export async function isEnding(ref: ProcessRef): Promise<boolean> {
  const stat = statOf(ref);
  return stat === undefined || (stat.exiting && (await waitForEnd(ref, endingWithinMs)));
}
