// Copying between host and guest: tar at both ends, a stream between them. What comes from a guest is not trusted: it is
// unpacked in a fresh folder, looked through, and only then put where it was asked for.
import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdtemp, readdir, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describeError, errnoOf, SbxError } from '../core/errors.ts';
import { type StreamedCommand, streamCommand } from './stream.ts';

/** Starts a command in the guest whose standard streams are ours; `streamCommand(sshArgv(…))` is one. */
export type RunInGuest = (command: readonly string[]) => StreamedCommand;

export interface CopyOptions {
  readonly signal?: AbortSignal;
}

/** Lays DIR/NAME of the archive on standard input at $1: inside it when it is a folder, else under that very name. */
const unpackInGuest = `set -e
if [ -d "$1" ]; then exec tar -x -f - -C "$1"; fi
folder=$(mktemp -d "$(dirname "$1")/.sbx-cp.XXXXXX")
trap 'rm -rf "$folder"' EXIT
tar -x -f - -C "$folder"
mv -f "$folder/$2" "$1"`;

const packInGuest = `set -e
cd "$(dirname "$1")"
exec tar -c -f - "./$(basename "$1")"`;

/** Copies a file or folder of the host into a guest; like cp, into `to` when that is a folder there. Throws SBX8005. */
export async function copyIn(run: RunInGuest, from: string, to: string, options: CopyOptions = {}): Promise<void> {
  const source = resolve(from);
  await mustBeThere(source);
  const owner = ['--owner=root:0', '--group=root:0', '--format=gnu'];
  const argv = ['tar', '-c', '-f', '-', ...owner, '-C', dirname(source), '--', `./${basename(source)}`];
  const packer = streamCommand(argv, options);
  const unpacker = run(['sh', '-c', unpackInGuest, 'sbx-cp', to, basename(source)]);
  unpacker.stdout.resume();
  await joined(packer, unpacker, `copy of ${from} to the guest's ${to}`);
}

/**
 * Copies a file or folder of a guest to the host; like cp, into `to` when that is a folder. Gives paths, relative to the
 * copy, that were left out: links that lead out of it, devices, sockets and pipes. Throws SBX8005.
 */
export async function copyOut(
  run: RunInGuest,
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<{ readonly path: string; readonly skipped: readonly string[] }> {
  const name = posix.basename(from);
  if (name === '' || name === '.' || name === '..') throw new SbxError('SBX8005', `${from} names no file in the guest`);
  const target = await targetOf(resolve(to), name);
  const temporary = await mkdtemp(join(dirname(target), `.sbx-cp-${randomBytes(3).toString('hex')}-`)).catch(
    (cause: unknown) => {
      throw new SbxError('SBX8005', `cannot write in ${dirname(target)}`, { cause });
    },
  );
  try {
    const packer = run(['sh', '-c', packInGuest, 'sbx-cp', from]);
    packer.stdin.end();
    // GNU tar strips leading slashes, refuses `..` and makes links that lead out only after everything else.
    const safety = ['--no-same-owner', '--no-same-permissions', '--no-overwrite-dir', '--one-top-level=in'];
    const unpacker = streamCommand(['tar', '-x', '-f', '-', ...safety, '-C', temporary], options);
    unpacker.stdout.resume();
    await joined(packer, unpacker, `copy of the guest's ${from} to ${to}`);
    const copied = join(temporary, 'in', name);
    const skipped: string[] = [];
    await cleanse(copied, copied, skipped);
    await place(copied, target);
    return { path: target, skipped };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function targetOf(to: string, name: string): Promise<string> {
  const found = await stat(to).catch(() => undefined);
  return found?.isDirectory() === true ? join(to, name) : to;
}

/** Connects two commands and waits for both; the first one that failed is to blame. */
async function joined(from: StreamedCommand, to: StreamedCommand, what: string): Promise<void> {
  const flow = pipeline(from.stdout, to.stdin).catch(() => undefined);
  const [, source, sink] = await Promise.all([flow, from.ended, to.ended]);
  for (const end of [sink, source]) {
    if (end.code !== 0 && end.stderr !== '')
      throw new SbxError('SBX8005', `${what} failed: ${end.stderr.slice(0, 1000)}`);
  }
  if (source.code !== 0 || sink.code !== 0)
    throw new SbxError('SBX8005', `${what} failed: the ends of it gave ${source.code} and ${sink.code}`);
}

/** Removes what must not come out of a guest, below `root`. */
async function cleanse(root: string, path: string, skipped: string[]): Promise<void> {
  const found = await lstat(path).catch((cause: unknown) => {
    throw new SbxError('SBX8005', `the guest sent something else than ${basename(root)}`, { cause });
  });
  if (found.isSymbolicLink() ? !(await staysInside(root, path)) : !(found.isFile() || found.isDirectory())) {
    skipped.push(relative(root, path) || basename(root));
    await rm(path, { force: true });
    return;
  }
  if (found.isSymbolicLink()) return;
  // No set-user-ID program of a guest becomes one of the host.
  await chmod(path, (found.mode & 0o777) | (found.isDirectory() ? 0o700 : 0o400));
  if (!found.isDirectory()) return;
  for (const name of await readdir(path)) await cleanse(root, join(path, name), skipped);
}

async function staysInside(root: string, path: string): Promise<boolean> {
  const target = await readlink(path);
  if (isAbsolute(target)) return false;
  const from = relative(root, resolve(dirname(path), target));
  return path !== root && from !== '..' && !from.startsWith('../');
}

async function place(copied: string, target: string): Promise<void> {
  try {
    await rename(copied, target);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') throw new SbxError('SBX8005', 'nothing of it may leave the guest', { cause });
    throw new SbxError('SBX8005', `${target} is in the way: ${describeError(cause)}`, { cause });
  }
}

async function mustBeThere(path: string): Promise<void> {
  try {
    await lstat(path);
  } catch (cause) {
    throw new SbxError('SBX8005', `${path} does not exist`, { cause });
  }
}
