// ustar archives, written: the seed of a guest and what is copied into it by small hands. Pure and deterministic.
import { bug } from '../core/errors.ts';

/** One member. Paths are relative without `..`; owner is root, time is 0. */
export type TarMember =
  | { readonly type: 'folder'; readonly path: string; readonly mode: number }
  | { readonly type: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array };

const block = 512;

/** The archive of members in the given order, ended by two empty blocks. Throws a bug for a path that ustar cannot hold. */
export function tarArchive(members: readonly TarMember[]): Uint8Array {
  const parts = members.flatMap((member) => {
    if (member.type === 'folder') return [header(`${member.path}/`, member.mode, 0, '5')];
    const rest = member.content.length % block;
    return [
      header(member.path, member.mode, member.content.length, '0'),
      member.content,
      Buffer.alloc(rest === 0 ? 0 : block - rest),
    ];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * block)]);
}

/** The content of a file of an archive of ours; undefined when there is none, or no such archive. */
export function memberOf(archive: Uint8Array, path: string): Uint8Array | undefined {
  const bytes = Buffer.from(archive.buffer, archive.byteOffset, archive.byteLength);
  for (let at = 0; at + block <= bytes.length; ) {
    const name = bytes.toString('utf8', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(bytes.toString('latin1', at + 124, at + 135), 8);
    const start = at + block;
    if (name === '' || !Number.isSafeInteger(size) || size < 0) return undefined;
    if (name === path) return bytes.subarray(start, start + size);
    at = start + Math.ceil(size / block) * block;
  }
  return undefined;
}

function header(path: string, mode: number, size: number, type: '0' | '5'): Buffer {
  const [prefix, name] = splitPath(path);
  const head = Buffer.alloc(block);
  head.write(name, 0, 100, 'utf8');
  head.write(octal(mode, 8), 100);
  head.write(octal(0, 8), 108);
  head.write(octal(0, 8), 116);
  head.write(octal(size, 12), 124);
  head.write(octal(0, 12), 136);
  head.write('        ', 148);
  head.write(type, 156);
  head.write('ustar\x0000', 257);
  head.write('root', 265);
  head.write('root', 297);
  head.write(prefix, 345, 155, 'utf8');
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return head;
}

function octal(value: number, width: number): string {
  return `${value.toString(8).padStart(width - 1, '0')}\0`;
}

/** Prefix and name: at most 155 and 100 bytes, cut at a slash. */
function splitPath(path: string): readonly [string, string] {
  if (path.startsWith('/') || path.split('/').includes('..') || path.includes('\0'))
    return bug(`${JSON.stringify(path)} cannot be in an archive`);
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let at = path.indexOf('/'); at !== -1; at = path.indexOf('/', at + 1)) {
    const name = path.slice(at + 1);
    if (name !== '' && Buffer.byteLength(path.slice(0, at)) <= 155 && Buffer.byteLength(name) <= 100)
      return [path.slice(0, at), name];
  }
  return bug(`${JSON.stringify(path)} is too long for an archive`);
}
