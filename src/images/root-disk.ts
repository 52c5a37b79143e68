// The root disk of an image: an ext4 file system with the tree in it, made without root, mounts or devices.
import { chmod, mkdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../host/exec.ts';
import type { TreeEntry } from './tree.ts';

/** Programs of e2fsprogs lie in sbin, which an ordinary user's PATH leaves out. */
const environment = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Makes a sparse raw disk with an ext4 file system of `sizeBytes` that holds the tree, everything owned by root. */
export async function writeRootDisk(
  entries: readonly TreeEntry[],
  path: string,
  sizeBytes: number,
  work: string,
  signal?: AbortSignal,
): Promise<void> {
  const folder = join(work, 'root');
  await writeTree(entries, folder);
  await writeFile(path, '', { flag: 'wx' });
  await truncate(path, sizeBytes);
  const limits = { env: environment, timeoutMs: 120_000, ...(signal === undefined ? {} : { signal }) };
  await run(['mke2fs', '-q', '-F', '-t', 'ext4', '-L', 'sbx-root', '-m', '0', '-d', folder, path], limits);
  // mke2fs copies the owner of each file, which is whoever builds.
  const script = join(work, 'owners');
  await writeFile(script, ownerCommands(entries));
  await run(['debugfs', '-w', '-f', script, path], limits);
}

function ownerCommands(entries: readonly TreeEntry[]): string {
  const paths = ['/', ...entries.filter(({ type }) => type !== 'device').map((entry) => entry.path)];
  return paths.map((path) => `sif "${path}" uid 0\nsif "${path}" gid 0\n`).join('');
}

async function writeTree(entries: readonly TreeEntry[], folder: string): Promise<void> {
  await mkdir(folder, { mode: 0o755 });
  for (const entry of entries) {
    const path = join(folder, entry.path);
    if (entry.type === 'folder') await mkdir(path);
    else if (entry.type === 'link') await symlink(entry.target, path);
    else if (entry.type === 'file') await writeFile(path, entry.content);
    // After it is made, so that the umask has no say. Devices come from devtmpfs at boot.
    if (entry.type === 'folder' || entry.type === 'file') await chmod(path, entry.mode);
  }
}
