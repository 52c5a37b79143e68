// Into a guest: by ssh where the sandbox's namespace reaches it, else through its agent; console and logs need neither.
import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Address } from '../core/address.ts';
import { SbxError } from '../core/errors.ts';
import type { SandboxRecord, VmRecord } from '../core/state/state.ts';
import { openAgentSession } from '../guest/agent.ts';
import { copyIn, copyOut, type RunInGuest } from '../guest/copy.ts';
import { sandboxKeys } from '../guest/sandbox-keys.ts';
import { type SshTarget, sshArgv } from '../guest/ssh.ts';
import { streamCommand } from '../guest/stream.ts';
import { enterArgv, spaceOf } from '../host/space.ts';
import type { SandboxLayout } from '../store/home.ts';
import type { VmmDriver, VmRef } from '../vmm/driver.ts';
import { attachConsole } from './attach-console.ts';
import { followLog } from './follow-log.ts';
import { openSandbox } from './loading.ts';
import type { CopyEnd, GuestCommand, GuestServices, Io } from './services.ts';
import { findVm, shellOf, type Workplace } from './session.ts';

/** A recorded VM with the ways into it. */
interface Guest {
  readonly record: VmRecord;
  readonly layout: SandboxLayout;
  readonly driver: VmmDriver;
  readonly ref: VmRef;
  /** How ssh reaches it; absent without a network that this host can enter */
  readonly ssh?: SshTarget;
}

/** Guest services over a workplace that is opened on first use. */
export function buildGuestServices(workplace: () => Promise<Workplace>): GuestServices {
  const find = async (vm: Address): Promise<Guest> => findGuest(await workplace(), vm);
  return {
    exec: async (command) => {
      const guest = await find(command.vm);
      return guest.ssh === undefined ? await execByAgent(guest, command) : await ssh(guest.ssh, command);
    },
    shell: async ({ vm, io, signal, user }) => {
      const guest = await find(vm);
      if (guest.ssh === undefined) throw unreachable(guest);
      return await ssh(guest.ssh, { argv: [], io, tty: true, signal, ...(user === undefined ? {} : { user }) });
    },
    copy: async ({ from, to, recursive, signal }) => {
      const inGuest = from.where === 'guest' ? from : to;
      if (inGuest.where !== 'guest') return;
      const guest = await find(inGuest.vm);
      const target = guest.ssh;
      if (target === undefined) throw unreachable(guest);
      const run = (command: readonly string[]): ReturnType<typeof streamCommand> =>
        streamCommand(sshArgv(target, { command }), { signal });
      if (!recursive && (await isFolder(from, run)))
        throw new SbxError('SBX8005', `${from.path} is a folder`, {
          hint: 'Copy it with all that is in it:\nsbx cp -r FROM TO',
        });
      if (from.where === 'host') await copyIn(run, from.path, inGuest.path, { signal });
      else await copyOut(run, inGuest.path, to.path, { signal });
    },
    console: async ({ vm, io, signal }) => {
      const { driver, ref } = await find(vm);
      await attachConsole(await driver.openConsole(ref), io, signal);
    },
    logs: async ({ vm, source, ...options }) => {
      const { layout, record } = await find(vm);
      const name = source === 'console' ? 'serial.log' : 'vmm.log';
      await followLog(join(layout.vmPaths(record.address).data, name), options);
    },
  };
}

async function isFolder(end: CopyEnd, run: RunInGuest): Promise<boolean> {
  if (end.where === 'host') return (await stat(end.path).catch(() => undefined))?.isDirectory() === true;
  const test = run(['test', '-d', end.path]);
  test.stdin.end();
  test.stdout.resume();
  return (await test.ended).code === 0;
}

async function findGuest(workplace: Workplace, vm: Address): Promise<Guest> {
  const opened = await openSandbox(workplace, { needsFile: false, takeOver: true });
  if (!opened.ok) {
    const [first] = opened.diagnostics;
    throw new SbxError(first.code, first.detail, first.hint === undefined ? {} : { hint: first.hint });
  }
  const { layout, snapshot } = opened.value;
  const records = snapshot.state?.resources ?? [];
  const record = findVm(
    records.filter((candidate): candidate is VmRecord => candidate.kind === 'vm'),
    vm,
  );
  if (record === undefined) {
    throw new SbxError('SBX3140', `${vm} is not a VM of "${layout.id}" as it was applied`, {
      hint: 'See what there is with:\nsbx status',
    });
  }
  const shell = shellOf(workplace, layout, { wait: false });
  const { process } = record.facts;
  const ref: VmRef = { paths: layout.vmPaths(record.address), ...(process === undefined ? {} : { process }) };
  const target = sshTarget(
    record,
    records.find((candidate): candidate is SandboxRecord => candidate.kind === 'sandbox'),
    layout,
  );
  return {
    record,
    layout,
    driver: await shell.driver(record.attrs.driver),
    ref,
    ...(target === undefined ? {} : { ssh: target }),
  };
}

function sshTarget(record: VmRecord, sandbox: SandboxRecord | undefined, layout: SandboxLayout): SshTarget | undefined {
  const space = sandbox === undefined ? undefined : spaceOf(sandbox.facts);
  const [nic] = Object.values(record.attrs.nics);
  if (space === undefined || nic === undefined) return undefined;
  const { userKeyPath, knownHostsPath } = sandboxKeys(layout.keysDir);
  return { enter: enterArgv(space), ip: nic.ip, keyPath: userKeyPath, knownHostsPath };
}

function unreachable(guest: Guest): SbxError {
  const hint = `Without a terminal it works through the guest agent:\nsbx exec ${guest.record.address} -- COMMAND`;
  return new SbxError('SBX8001', `${guest.record.address} has no network that this host can reach it by`, { hint });
}

/** Runs ssh with the streams of the process; its exit code is the command's, 255 is ssh's own. */
async function ssh(target: SshTarget, command: Omit<GuestCommand, 'vm'>): Promise<number> {
  const { argv, io, tty, signal, user } = command;
  const [program = '', ...args] = sshArgv(
    { ...target, ...(user === undefined ? {} : { user }) },
    { command: argv, tty },
  );
  return await new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: [stdioOf(io.stdin), stdioOf(io.stdout), stdioOf(io.stderr)], signal });
    // A command that ends before it read everything: its exit code tells more than the broken pipe.
    child.stdin?.on('error', () => undefined);
    if (child.stdin !== null) io.stdin.pipe(child.stdin);
    child.stdout?.pipe(io.stdout, { end: false });
    child.stderr?.pipe(io.stderr, { end: false });
    child.on('error', (cause) => reject(new SbxError('SBX8001', 'ssh could not be run', { cause })));
    child.on('close', (code) => {
      if (code === 255)
        reject(
          new SbxError('SBX8001', 'the guest does not answer on ssh', { hint: 'See what it says with:\nsbx logs VM' }),
        );
      else resolve(code ?? 130);
    });
  });
}

/** The streams of this process are handed over as they are: a terminal stays one. */
function stdioOf(stream: Io['stdin'] | Io['stdout']): 'inherit' | 'pipe' {
  return stream === process.stdin || stream === process.stdout || stream === process.stderr ? 'inherit' : 'pipe';
}

async function execByAgent(guest: Guest, { argv, io, tty, user, signal }: GuestCommand): Promise<number> {
  if (tty || user !== undefined) throw unreachable(guest);
  const session = await openAgentSession(() => guest.driver.openAgent(guest.ref), { timeoutMs: 5000, signal });
  try {
    const result = await session.exec(argv, { signal });
    io.stdout.write(result.stdout);
    io.stderr.write(result.stderr);
    return 'exitCode' in result ? result.exitCode : 128 + result.signal;
  } finally {
    session.close();
  }
}
