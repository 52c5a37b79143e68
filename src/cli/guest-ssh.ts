// Commands in a guest through ssh: waited for while it boots, with the command's own end and what ssh says where there is none.
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SbxError } from '../core/errors.ts';
import { type SshOptions, type SshTarget, sshArgv } from '../guest/ssh.ts';
import { isConnected, readSshEnd, type SshEnd } from '../guest/ssh-end.ts';
import { patienceOf, sayWaiting, type Try, untilReached } from './boot-patience.ts';
import { exitCodes } from './exit.ts';
import { type Guest, mustRun } from './find-guest.ts';
import type { GuestCommand, Io } from './services.ts';

/** Least and most time for one connection in `ms` */
const connect = { least: 3000, most: 10_000 } as const;

/** Runs a command, or a login shell for none; gives its exit code. Throws SBX8001, SBX8015 or SBX8014. */
export async function throughSsh(guest: Guest, ssh: SshTarget, command: Omit<GuestCommand, 'vm'>): Promise<number> {
  const { argv, io, tty, signal, user, timeoutMs } = command;
  const target = { ...ssh, ...(user === undefined ? {} : { user }) };
  const limitMs = patienceOf(guest, timeoutMs);
  let log: () => Promise<string> = async () => '';
  const attempt = async (restMs: number): Promise<Try<End>> => {
    const connectMs = Math.min(connect.most, Math.max(connect.least, restMs));
    const end = await runSsh(target, { command: argv, tty, connectMs, io, signal, onStart: (read) => (log = read) });
    // One that powered off meanwhile is not waited for.
    if (end.type === 'unreached') await mustRun(guest);
    return end.type === 'unreached' ? { why: end.why } : { done: end };
  };
  const say = (): void => sayWaiting(io, guest, limitMs, 'ssh');
  const found = await untilReached({ limitMs, say, signal }, attempt, async () => !isConnected(await log()));
  return 'done' in found ? codeOf(guest, found.done) : fail(guest, found.why);
}

type End = Exclude<SshEnd, { readonly type: 'unreached' }> | OwnEnd;
/** Ends of our own making: the user's, or that of somebody who took our output */
type OwnEnd = { readonly type: 'interrupted' | 'unheard' };

function codeOf(guest: Guest, end: End): number {
  const { address } = guest.record;
  switch (end.type) {
    case 'ended':
      return end.code;
    case 'interrupted':
      return exitCodes.interrupted;
    case 'unheard':
      return exitCodes.ownFailure;
    case 'refused':
      return fail(guest, end.why);
    case 'lost':
      throw new SbxError(
        'SBX8014',
        `${address} ended the shell that waited for the command, so that its end is not known`,
      );
    case 'broke':
      throw new SbxError('SBX8014', `the connection to ${address} broke while the command ran: ${end.why}`, {
        hint: `See whether it still runs with:\nsbx status`,
      });
  }
}

function fail({ record: { address } }: Guest, why: string): never {
  throw new SbxError('SBX8001', `${address} cannot be reached by ssh: ${why}`, {
    hint: `See what it says with:\nsbx logs ${address}`,
  });
}

interface SshRun extends Omit<SshOptions, 'logPath'> {
  readonly io: Io;
  readonly signal: AbortSignal;
  /** Gets a look at ssh's log while it runs */
  readonly onStart: (log: () => Promise<string>) => void;
}

async function runSsh(target: SshTarget, run: SshRun): Promise<SshEnd | OwnEnd> {
  if (run.signal.aborted) return { type: 'interrupted' };
  const folder = await mkdtemp(join(tmpdir(), 'sbx-ssh-')).catch((cause: unknown) => {
    throw new SbxError('SBX8001', `no log of ssh can be written in ${tmpdir()}`, { cause });
  });
  const logPath = join(folder, 'log');
  const log = (): Promise<string> => readFile(logPath, 'utf8').catch(() => '');
  try {
    run.onStart(log);
    const code = await runOnce(sshArgv(target, { ...run, logPath }), run);
    if (code === 'unheard' && !run.signal.aborted) return { type: 'unheard' };
    return run.signal.aborted || code === 'unheard' ? { type: 'interrupted' } : readSshEnd(code, await log());
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Exit code of a program, 128 and the number of the signal that ended it, or that nothing could take what it said. */
async function runOnce(
  [program = '', ...args]: readonly string[],
  { io, signal }: SshRun,
): Promise<number | 'unheard'> {
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [stdioOf(io.stdin), stdioOf(io.stdout), stdioOf(io.stderr)], signal });
    // A command that ends before it read everything: its exit code tells more than the broken pipe.
    child.stdin?.on('error', () => undefined);
    if (child.stdin !== null) io.stdin.pipe(child.stdin);
    child.stdout?.pipe(io.stdout, { end: false });
    child.stderr?.pipe(io.stderr, { end: false });
    // It would wait without end for a reader of what it says.
    let unheard = false;
    const stop = (): void => {
      unheard = true;
      child.kill();
    };
    if (child.stdout !== null) io.stdout.once('error', stop);
    if (child.stderr !== null) io.stderr.once('error', stop);
    child.on('error', (cause) => {
      if (!signal.aborted) reject(new SbxError('SBX8001', 'ssh could not be run', { cause }));
    });
    child.on('close', (code, name) =>
      resolve(unheard ? 'unheard' : (code ?? 128 + (name === null ? 0 : constants.signals[name]))),
    );
  });
}

/** The streams of this process are handed over as they are: a terminal stays one. */
function stdioOf(stream: Io['stdin'] | Io['stdout']): 'inherit' | 'pipe' {
  return stream === process.stdin || stream === process.stdout || stream === process.stderr ? 'inherit' : 'pipe';
}
