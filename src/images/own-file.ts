// Files of the user's that an image is made of: opened once and looked at through that, so that what a name leads to
// later does not matter. Their sizes are limited before a byte is read.
import type { BigIntStats } from 'node:fs';
import { constants } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';
import { errnoOf, SbxError } from '../core/errors.ts';
import { roughBytes } from '../core/render/quantity.ts';

/** What a file is to its image. */
export type FileRole = 'kernel' | 'initrd' | 'disk';

const gibibyte = 2 ** 30;

/** Most that is read of a file, in `bytes`, holes counted: reading a hole takes as long as reading data. */
export const largestFileBytes: Readonly<Record<FileRole, number>> = {
  kernel: gibibyte,
  initrd: 4 * gibibyte,
  disk: 256 * gibibyte,
};

/** A file of the user's that is open. */
export interface OwnFile {
  readonly path: string;
  readonly role: FileRole;
  readonly file: FileHandle;
  /** As it was when it was opened */
  readonly facts: BigIntStats;
  readonly sizeBytes: number;
}

/** Opens a file, gives it to `work` and closes it. The path is one whose links are resolved. Throws SBX7006. */
export async function withOwnFile<T>(path: string, role: FileRole, work: (own: OwnFile) => Promise<T>): Promise<T> {
  const file = await openOwn(path);
  try {
    const facts = await file.stat({ bigint: true });
    if (!facts.isFile()) throw new SbxError('SBX7006', `${path} is not a regular file`);
    if ((await placeOf(file)) !== path)
      throw new SbxError('SBX7006', `${path} leads to another file than when it was looked up`, {
        hint: 'Somebody is changing this folder. Run it again when that is over.',
      });
    const sizeBytes = Number(facts.size);
    refuseLarge(path, role, sizeBytes);
    return await work({ path, role, file, facts, sizeBytes });
  } catch (cause) {
    if (errnoOf(cause) === undefined || cause instanceof SbxError) throw cause;
    throw new SbxError('SBX7006', `${path} cannot be read`, { cause });
  } finally {
    await file.close();
  }
}

async function openOwn(path: string): Promise<FileHandle> {
  try {
    // A pipe without a writer would block an ordinary open for ever.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY | constants.O_NOFOLLOW;
    return await open(path, flags);
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'does not exist' : 'cannot be read';
    throw new SbxError('SBX7006', `${path} ${why}`, { cause });
  }
}

/** Where an open file lies, as the kernel knows it: a folder on the way may have become a link after it was checked. */
async function placeOf(file: FileHandle): Promise<string> {
  return await readlink(`/proc/self/fd/${file.fd}`);
}

function refuseLarge(path: string, role: FileRole, sizeBytes: number): void {
  const most = largestFileBytes[role];
  if (sizeBytes <= most) return;
  const detail = `${path} has ${roughBytes(sizeBytes)}; a file that is to be the ${role} of an image has at most ${roughBytes(most)}`;
  const hint = 'A large disk that is mostly empty is small as qcow2:\nqemu-img convert -f raw -O qcow2 FILE FILE.qcow2';
  throw new SbxError('SBX7006', detail, role === 'disk' ? { hint } : {});
}
