// The keys of one sandbox, made once: the user key that opens its guests, the host key by which they are known.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensurePrivateFolder, readTextIfThere, writeFileAtomic } from '../host/files.ts';
import { makeHostKey, makeUserKey } from './keys.ts';
import { knownHosts } from './ssh.ts';

/** Key files of a sandbox, absolute. */
export interface SandboxKeys {
  /** Private user key, OpenSSH format */
  readonly userKeyPath: string;
  /** known_hosts with the one host key of all guests */
  readonly knownHostsPath: string;
}

/** What guests get of the keys. */
export interface GuestKeys {
  readonly authorizedKey: string;
  readonly hostKey: Uint8Array;
}

/** Where the keys of a sandbox lie. */
export function sandboxKeys(folder: string): SandboxKeys {
  return { userKeyPath: join(folder, 'id_ed25519'), knownHostsPath: join(folder, 'known_hosts') };
}

/** Makes the keys unless they are there. The public half is written last: with it, all are there. */
export async function ensureSandboxKeys(folder: string): Promise<void> {
  if ((await readTextIfThere(join(folder, 'id_ed25519.pub'))) !== undefined) return;
  await ensurePrivateFolder(folder);
  const user = makeUserKey('sbx');
  const host = makeHostKey();
  const keys = sandboxKeys(folder);
  await writeFileAtomic(keys.userKeyPath, user.privateKey);
  await writeFileAtomic(join(folder, 'host_key'), host.privateKey);
  await writeFileAtomic(keys.knownHostsPath, knownHosts(host.publicLine));
  await writeFileAtomic(join(folder, 'id_ed25519.pub'), `${user.publicLine.trim()}\n`);
}

/** The halves that go into a guest's seed. */
export async function readGuestKeys(folder: string): Promise<GuestKeys> {
  const [authorized, hostKey] = await Promise.all([
    readFile(join(folder, 'id_ed25519.pub'), 'utf8'),
    readFile(join(folder, 'host_key')),
  ]);
  return { authorizedKey: authorized.trim(), hostKey };
}
