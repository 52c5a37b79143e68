// The few facts of ELF files that a build needs: which libraries a program wants, and a module's own description. Pure.

interface Section {
  readonly name: string;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

const sectionDynamic = 6;
const tagNeeded = 1;

/** Whether the bytes begin like a 64-bit little-endian ELF file. */
export function isElf(bytes: Uint8Array): boolean {
  return bytes.length > 64 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Names of the shared libraries that a program or library needs (DT_NEEDED); empty for static programs. */
export function neededLibraries(bytes: Uint8Array): readonly string[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sections = sectionsOf(file);
  const dynamic = sections.find((section) => section.type === sectionDynamic);
  if (dynamic === undefined) return [];
  const strings = sections[dynamic.link];
  if (strings === undefined) return [];
  const names: string[] = [];
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
    if (Number(file.readBigUInt64LE(at)) !== tagNeeded) continue;
    names.push(textAt(file, strings.offset + Number(file.readBigUInt64LE(at + 8))));
  }
  return names;
}

/** The program interpreter (the dynamic loader's path), or undefined for static programs and libraries. */
export function interpreterOf(bytes: Uint8Array): string | undefined {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const interp = sectionsOf(file).find((section) => section.name === '.interp');
  return interp === undefined ? undefined : textAt(file, interp.offset);
}

/** Words of a kernel module's `.modinfo`: name → values, such as `depends`, `alias`, `name`. */
export function moduleInfo(bytes: Uint8Array): ReadonlyMap<string, readonly string[]> {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const section = sectionsOf(file).find((candidate) => candidate.name === '.modinfo');
  const found = new Map<string, string[]>();
  if (section === undefined) return found;
  for (const word of file.toString('latin1', section.offset, section.offset + section.size).split('\0')) {
    const equals = word.indexOf('=');
    if (equals <= 0) continue;
    const key = word.slice(0, equals);
    found.set(key, [...(found.get(key) ?? []), word.slice(equals + 1)]);
  }
  return found;
}

function sectionsOf(file: Buffer): readonly Section[] {
  if (!isElf(file)) return [];
  const tableOffset = Number(file.readBigUInt64LE(0x28));
  const entrySize = file.readUInt16LE(0x3a);
  const count = file.readUInt16LE(0x3c);
  const namesIndex = file.readUInt16LE(0x3e);
  if (entrySize < 64 || tableOffset + count * entrySize > file.length) return [];
  const at = (index: number): number => tableOffset + index * entrySize;
  const namesOffset = namesIndex < count ? Number(file.readBigUInt64LE(at(namesIndex) + 24)) : 0;
  return Array.from({ length: count }, (_, index) => ({
    name: textAt(file, namesOffset + file.readUInt32LE(at(index))),
    type: file.readUInt32LE(at(index) + 4),
    offset: Number(file.readBigUInt64LE(at(index) + 24)),
    size: Number(file.readBigUInt64LE(at(index) + 32)),
    link: file.readUInt32LE(at(index) + 40),
  }));
}

function textAt(file: Buffer, offset: number): string {
  if (offset < 0 || offset >= file.length) return '';
  const end = file.indexOf(0, offset);
  return file.toString('latin1', offset, end === -1 ? file.length : end);
}
