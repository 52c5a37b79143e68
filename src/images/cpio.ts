// cpio archives of the newc kind, as the kernel unpacks them into its first root file system. Pure and deterministic:
// equal trees give equal bytes. Format: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux kernel.
import type { TreeEntry } from './tree.ts';

const typeBits = { folder: 0o040000, file: 0o100000, link: 0o120000, device: 0o020000 };

/** The archive of a tree, padded to 512 bytes. Times are 0, the owner is root, inode numbers count from 1. */
export function cpioArchive(entries: readonly TreeEntry[]): Uint8Array {
  const parts = entries.flatMap((entry, index) => member(entry, index + 1));
  parts.push(...header('TRAILER!!!', { inode: 0, mode: 0, links: 1, size: 0, major: 0, minor: 0 }));
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([...parts, Buffer.alloc((512 - (size % 512)) % 512)]);
}

interface Header {
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly size: number;
  readonly major: number;
  readonly minor: number;
}

function member(entry: TreeEntry, inode: number): readonly Uint8Array[] {
  const content = contentOf(entry);
  const device = entry.type === 'device' ? entry : { major: 0, minor: 0 };
  return [
    ...header(entry.path.slice(1), {
      inode,
      mode: typeBits[entry.type] | (entry.type === 'link' ? 0o777 : entry.mode),
      links: entry.type === 'folder' ? 2 : 1,
      size: content.length,
      major: device.major,
      minor: device.minor,
    }),
    content,
    padding(content.length),
  ];
}

function contentOf(entry: TreeEntry): Uint8Array {
  if (entry.type === 'file') return entry.content;
  return entry.type === 'link' ? Buffer.from(entry.target) : new Uint8Array(0);
}

function header(name: string, of: Header): readonly Uint8Array[] {
  const path = Buffer.from(`${name}\0`);
  const numbers = [of.inode, of.mode, 0, 0, of.links, 0, of.size, 0, 0, of.major, of.minor, path.length, 0];
  const head = Buffer.concat([Buffer.from(`070701${numbers.map(hex).join('')}`), path]);
  return [head, padding(head.length)];
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0').toUpperCase();
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
