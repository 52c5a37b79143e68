// The key of a home: 32 random bytes, made on first need. With it sensitive values are compared without being kept.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, SbxError } from '../core/errors.ts';
import { ensurePrivateFolder, syncFolder } from '../host/files.ts';
import { type Home, planKeyPath } from './home.ts';
import { homeFailure } from './home-failure.ts';

/** Secret of a home; never printed, never in a plan or state. */
export type HomeKey = Buffer & { readonly __brand: 'HomeKey' };

const keyBytes = 32;

/** The key, or undefined when there is none yet. Writes nothing. Throws SBX4024 when it is damaged. */
export async function readKey(home: Home): Promise<HomeKey | undefined> {
  const path = planKeyPath(home);
  const key = await readFile(path).catch((cause: unknown) => {
    if (errnoOf(cause) === 'ENOENT' || errnoOf(cause) === 'ENOTDIR') return undefined;
    throw new SbxError('SBX4024', `cannot read ${path}`, { cause });
  });
  if (key === undefined) return undefined;
  if (key.length !== keyBytes) throw new SbxError('SBX4024', `${path} has ${key.length} bytes instead of ${keyBytes}`);
  return key as HomeKey;
}

/** The key where one can be read: for what must work without it, such as a removal. Writes nothing. */
export async function soundKey(home: Home): Promise<HomeKey | undefined> {
  return await readKey(home).catch(() => undefined);
}

/** The key; made, mode 0600, when there is none. Two who make it at once get the same. Throws SBX4008, SBX4024. */
export async function ensureKey(home: Home): Promise<HomeKey> {
  const found = await readKey(home);
  if (found !== undefined) return found;
  const path = planKeyPath(home);
  await makeKey(path).catch(homeFailure(`make the key ${path}`));
  const made = await readKey(home);
  if (made === undefined) throw new SbxError('SBX4008', `${path} vanished while it was made`);
  return made;
}

/** A key for hashes that are compared within this process only. */
export function temporaryKey(): HomeKey {
  return randomBytes(keyBytes) as HomeKey;
}

/** What stands for a sensitive value: equal for equal text with the same key, tells nothing without it. */
export function keyedHash(key: HomeKey, text: string): string {
  return createHmac('sha256', key).update(`value\0${text}`).digest('hex').slice(0, 40);
}

/** Seal over a text that sbx itself will read again; apart from `keyedHash`, so that neither can stand for the other. */
export function sealOf(key: HomeKey, text: string): Buffer {
  return createHmac('sha256', key).update(`seal\0${text}`).digest();
}

/** Tells keys apart without telling them. */
export function keyId(key: HomeKey): string {
  return createHash('sha256').update('id\0').update(key).digest('hex').slice(0, 16);
}

/** A key shows up whole or not at all, and whoever comes second leaves the first one's. */
async function makeKey(path: string): Promise<void> {
  await ensurePrivateFolder(dirname(path));
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(randomBytes(keyBytes));
      await file.sync();
    } finally {
      await file.close();
    }
    await link(temporary, path).catch((error: unknown) => {
      if (errnoOf(error) !== 'EEXIST') throw error;
    });
  } finally {
    await rm(temporary, { force: true });
  }
  await syncFolder(dirname(path));
}
