// Copying between host and guest: tar at both ends, a stream between them. What comes from a guest is not trusted: it is
// unpacked in a fresh folder, looked through, and only then put where it was asked for.
import { randomBytes } from 'node:crypto';
import { createWriteStream, statfsSync } from 'node:fs';
import { chmod, lstat, mkdtemp, readdir, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, posix, relative, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describeError, errnoOf, isSbxError, SbxError } from '../core/errors.ts';
import { type StreamedCommand, streamCommand } from './stream.ts';
import { TarFilter } from './tar-filter.ts';

/** Starts a command in the guest whose standard streams are ours; `streamCommand(sshArgv(…))` is one. */
export type RunInGuest = (command: readonly string[]) => StreamedCommand;

export interface CopyOptions {
  readonly signal?: AbortSignal;
}

/** Most files of one copy out of a guest; each takes an inode of the host. */
const mostFiles = 1_000_000;
/** What a copy leaves free on the host's file system, in `bytes` */
const spareBytes = 64 * 1024 * 1024;
/** The room that is left is asked for once in so many `bytes` */
const askEvery = 16 * 1024 * 1024;

/**
 * What a path of the guest is: `parent` for one that is not there, in a folder that is; `sizeless` for a file that says it is empty,
 * as all of /proc do whatever they hold.
 */
export type GuestPath = 'folder' | 'file' | 'sizeless' | 'parent' | 'nothing';

/** A path of the guest in words that no command takes for an option, with its folder and its name. */
interface PathWords {
  readonly path: string;
  readonly folder: string;
  readonly name: string;
}

function wordsOf(path: string): PathWords {
  const safe = path.startsWith('/') ? path : `./${path}`;
  return { path: safe, folder: posix.dirname(safe), name: posix.basename(safe) };
}

const look = `if [ -d "$1" ]; then echo folder
elif [ -f "$1" ] && ! [ -s "$1" ]; then echo sizeless
elif [ -e "$1" ] || [ -h "$1" ]; then echo file
elif [ -d "$2" ]; then echo parent
else echo nothing; fi`;

/** The command that says what a path of the guest is. */
export function lookArgv(path: string): readonly string[] {
  const words = wordsOf(path);
  return ['sh', '-c', look, 'sbx-cp', words.path, words.folder];
}

/** What `lookArgv` said; anything else is no answer. */
export function parseLook(said: string): GuestPath | undefined {
  const word = said.trim();
  return (['folder', 'file', 'sizeless', 'parent', 'nothing'] as const).find((kind) => kind === word);
}

/** Lays $3 of the archive on standard input at $1: inside it when it is a folder, else under that very name in $2. */
const unpackInGuest = `set -e
if [ -d "$1" ]; then exec tar -x -f - -C "$1"; fi
folder=$(mktemp -d "$2/.sbx-cp.XXXXXX")
trap 'rm -rf "$folder"' EXIT
tar -x -f - -C "$folder"
mv -f "$folder/$3" "$1"`;

/** A link is followed where it is what was asked for, and only there. */
const packInGuest = `set -e
cd "$2"
if [ -d "./$3" ]; then exec tar -c -f - "./$3/."; fi
exec tar -c -h -f - "./$3"`;

/** Copies a file or folder of the host into a guest; like cp, into `to` when that is a folder there. Throws SBX8005. */
export async function copyIn(run: RunInGuest, from: string, to: string, options: CopyOptions = {}): Promise<void> {
  const source = resolve(from);
  await mustBeThere(source);
  const owner = ['--owner=root:0', '--group=root:0', '--format=gnu'];
  const argv = ['tar', '-c', '-f', '-', ...owner, '-C', dirname(source), '--', `./${basename(source)}`];
  const packer = streamCommand(argv, options);
  const { path, folder } = wordsOf(to);
  const unpacker = run(['sh', '-c', unpackInGuest, 'sbx-cp', path, folder, basename(source)]);
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
  const words = wordsOf(from);
  const { name } = words;
  if (name === '' || name === '.' || name === '..') throw new SbxError('SBX8005', `${from} names no file in the guest`);
  const target = await targetOf(resolve(to), name);
  const temporary = await mkdtemp(join(dirname(target), `.sbx-cp-${randomBytes(3).toString('hex')}-`)).catch(
    (cause: unknown) => {
      throw new SbxError('SBX8005', `cannot write in ${dirname(target)}`, { cause });
    },
  );
  try {
    const packer = run(['sh', '-c', packInGuest, 'sbx-cp', words.path, words.folder, name]);
    packer.stdin.end();
    // GNU tar strips leading slashes, refuses `..` and makes links that lead out only after everything else.
    const safety = ['--no-same-owner', '--no-same-permissions', '--no-overwrite-dir', '--one-top-level=in'];
    const unpacker = streamCommand(['tar', '-x', '-f', '-', ...safety, '-C', temporary], options);
    unpacker.stdout.resume();
    const filter = new TarFilter({ members: mostFiles, onBytes: roomKeeper(temporary) });
    const unsent = await joined(packer, unpacker, `copy of the guest's ${from} to ${to}`, filter);
    const copied = join(temporary, 'in', name);
    const skipped = [...filter.skipped, ...unsent].map((path) => relative(`./${name}`, path) || name);
    await cleanse(copied, copied, skipped);
    await place(copied, target);
    return { path: target, skipped };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Copies what a file of the guest gives when it is read, whatever it says of its size. Throws SBX8005. */
export async function copySizeless(run: RunInGuest, from: string, to: string): Promise<void> {
  const { path, name } = wordsOf(from);
  const target = await targetOf(resolve(to), name);
  const temporary = join(dirname(target), `.sbx-cp-${randomBytes(6).toString('hex')}`);
  const reader = run(readArgv(path));
  reader.stdin.end();
  const room = roomKeeper(dirname(target));
  try {
    await pipeline(
      reader.stdout,
      async function* (chunks: AsyncIterable<Buffer>) {
        for await (const chunk of chunks) {
          room(chunk.length);
          yield chunk;
        }
      },
      createWriteStream(temporary, { flags: 'wx' }),
    ).catch((cause: unknown) => {
      throw isSbxError(cause) ? cause : new SbxError('SBX8005', `cannot write in ${dirname(target)}`, { cause });
    });
    const { code, stderr } = await reader.ended;
    if (code !== 0) throw new SbxError('SBX8005', `copy of the guest's ${from} failed: ${stderr.slice(0, 1000)}`);
    await place(temporary, target);
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Bytes of a file of the guest, as its shell opens it: a link is followed, a device is read. */
export function readArgv(path: string): readonly string[] {
  return ['sh', '-c', 'exec cat <"$1"', 'sbx-cp', path];
}

/** Stops a guest that sends more than there is room for, before the host's file system is full. */
function roomKeeper(folder: string): (bytes: number) => void {
  let unasked = askEvery;
  return (bytes) => {
    unasked += bytes;
    if (unasked < askEvery) return;
    unasked = 0;
    const { bavail, bsize } = statfsSync(folder);
    if (bavail * bsize < spareBytes + askEvery)
      throw new SbxError('SBX8005', `there is no room in ${dirname(folder)} for what the guest sends`);
  };
}

async function targetOf(to: string, name: string): Promise<string> {
  const found = await stat(to).catch(() => undefined);
  return found?.isDirectory() === true ? join(to, name) : to;
}

/** What the tar of a guest says of a socket, which no archive can hold: BusyBox, and GNU. */
const unsendable = /^tar: (.*): (?:unknown file type|socket ignored)$/;
const afterwards = /^tar: (?:error exit delayed|Exiting with failure)/;

/**
 * Connects two commands, through a filter if there is one, and waits for both; the first one that failed is to blame. Gives the
 * paths that the first could not send.
 */
async function joined(
  from: StreamedCommand,
  to: StreamedCommand,
  what: string,
  filter: TarFilter | undefined = undefined,
): Promise<readonly string[]> {
  let refused: unknown;
  const flow = (filter === undefined ? pipeline(from.stdout, to.stdin) : pipeline(from.stdout, filter, to.stdin)).catch(
    (error: unknown) => {
      refused = error;
    },
  );
  const [, source, sink] = await Promise.all([flow, from.ended, to.ended]);
  const lines = source.stderr.split('\n').filter((line) => line !== '');
  const unsent = lines.flatMap((line) => unsendable.exec(line)?.[1] ?? []);
  const isWhole = lines.every((line) => unsendable.test(line) || afterwards.test(line)) && unsent.length > 0;
  // A guest that says why it stopped knows more than whoever misses the rest.
  const stopped = filter?.brokeOff === true && source.code !== 0;
  if (isSbxError(refused) && !stopped) throw refused;
  for (const end of stopped ? [source, sink] : [sink, source]) {
    if (end.code === 0 || (end === source && isWhole)) continue;
    const said = end.stderr.slice(0, 1000) || `its ends gave ${source.code} and ${sink.code}`;
    throw new SbxError('SBX8005', `${what} failed: ${said}`);
  }
  if (isSbxError(refused)) throw refused;
  return unsent;
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
