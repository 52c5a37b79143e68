// sbx cp over ssh: looks at the path of the guest first, waits for it while it boots, and tells what was left out.

import { stat } from 'node:fs/promises';
import { Readable, Writable } from 'node:stream';
import { SbxError } from '../core/errors.ts';
import { plainText } from '../core/render/paint.ts';
import {
  copyIn,
  copyOut,
  copySizeless,
  type GuestPath,
  lookArgv,
  parseLook,
  type RunInGuest,
  readArgv,
} from '../guest/copy.ts';
import { type SshTarget, sshArgv } from '../guest/ssh.ts';
import { streamCommand } from '../guest/stream.ts';
import { exitCodes } from './exit.ts';
import type { Guest } from './find-guest.ts';
import { throughSsh } from './guest-ssh.ts';
import type { CopyRequest, Io } from './services.ts';

/** Most left-out paths that are named one by one. */
const mostNamed = 20;

/** Copies as asked; gives the exit code. Throws SBX8005 beside what getting there throws. */
export async function copyWithGuest(guest: Guest, ssh: SshTarget, request: CopyRequest): Promise<number> {
  return request.direction === 'in'
    ? await copyIntoGuest(guest, ssh, request)
    : await copyOutOfGuest(guest, ssh, request);
}

async function copyIntoGuest(
  guest: Guest,
  ssh: SshTarget,
  request: Extract<CopyRequest, { readonly direction: 'in' }>,
): Promise<number> {
  const { from, path, io, signal } = request;
  if (from.where === 'host' && !request.recursive && (await isFolder(from.path))) throw needsRecursive(from.path);
  const found = await lookAt(guest, ssh, request);
  const { address } = guest.record;
  if (found === 'nothing') throw new SbxError('SBX8005', `there is no folder for ${path} in ${address}`);
  if (from.where === 'host') {
    await copyIn(runOver(ssh, signal), from.path, path, { signal });
    return exitCodes.done;
  }
  if (found === 'folder') throw new SbxError('SBX8005', `${path} is a folder of ${address}: name the file in it`);
  return await throughSsh(guest, ssh, { argv: fromStream(path), tty: false, io, signal });
}

async function copyOutOfGuest(
  guest: Guest,
  ssh: SshTarget,
  request: Extract<CopyRequest, { readonly direction: 'out' }>,
): Promise<number> {
  const { to, path, io, signal } = request;
  const found = await lookAt(guest, ssh, request);
  if (found === 'parent' || found === 'nothing')
    throw new SbxError('SBX8005', `${path} does not exist in ${guest.record.address}`);
  if (to.where === 'stream') {
    if (found === 'folder') throw new SbxError('SBX8005', `${path} is a folder: only a file goes to standard output`);
    return await throughSsh(guest, ssh, { argv: readArgv(path), tty: false, io: { ...io, stdin: noInput() }, signal });
  }
  if (found === 'folder' && !request.recursive) throw needsRecursive(path);
  if (found === 'sizeless') {
    await copySizeless(runOver(ssh, signal), path, to.path);
    return exitCodes.done;
  }
  const { skipped } = await copyOut(runOver(ssh, signal), path, to.path, { signal });
  tellSkipped(skipped, io);
  return exitCodes.done;
}

/** Bytes to a file of the guest, as the shell opens it: a device or a link is written through. */
const fromStream = (path: string): readonly string[] => ['sh', '-c', 'exec cat >"$1"', 'sbx-cp', path];

function runOver(ssh: SshTarget, signal: AbortSignal): RunInGuest {
  return (command) => streamCommand(sshArgv(ssh, { command }), { signal });
}

function noInput(): Readable {
  return Readable.from([]);
}

function needsRecursive(path: string): SbxError {
  return new SbxError('SBX8005', `${path} is a folder`, { hint: 'Copy it with all that is in it:\nsbx cp -r FROM TO' });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

/** What the path of the guest is. The first connection of a copy: the one that waits. */
async function lookAt(guest: Guest, ssh: SshTarget, request: CopyRequest): Promise<GuestPath> {
  let said = '';
  const stdout = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      // More than a word is no answer.
      if (said.length < 100) said += chunk.toString('latin1');
      done();
    },
  });
  const { path, signal, timeoutMs } = request;
  const code = await throughSsh(guest, ssh, {
    argv: lookArgv(path),
    tty: false,
    io: { ...request.io, stdin: noInput(), stdout },
    signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  signal.throwIfAborted();
  const found = code === 0 ? parseLook(said) : undefined;
  if (found !== undefined) return found;
  throw new SbxError('SBX8005', `${guest.record.address} does not say what ${path} is: it needs a POSIX shell`);
}

function tellSkipped(skipped: readonly string[], io: Io): void {
  if (skipped.length === 0) return;
  const lines = skipped.slice(0, mostNamed).map((path) => `  ${plainText(JSON.stringify(path).slice(1, -1))}\n`);
  const more = skipped.length - lines.length;
  io.stderr.write('Left out, since it is a device, a socket, a pipe, or a link that leads elsewhere:\n');
  io.stderr.write(`${lines.join('')}${more > 0 ? `  and ${more} more\n` : ''}`);
}
