// What kind of kernel a file is. Only kinds that every VMM loads in the same way are taken: QEMU reads the name of a
// multiboot kernel's initrd as a list of files. Pure over a reader.
// Sources: Linux, Documentation/arch/x86/boot.rst; Xen, include/public/elfnote.h and arch-x86/hvm/start_info.h (PVH).
import type { ReadAt } from './read-at.ts';

/** A kernel that can be booted, or why not: what the file "is", to stand behind its path. */
export type KernelFile =
  | { readonly ok: true; readonly kind: 'bzimage' | 'elf' }
  | { readonly ok: false; readonly why: string };

/** QEMU looks for a multiboot header in so many bytes (hw/i386/multiboot.c). */
const multibootSearchBytes = 8192;
const multibootMagic = 0x1badb002;
/** Boot protocol 2.06: Linux 2.6.22. */
const oldestProtocol = 0x206;
const mostSegments = 128;
const mostNoteBytes = 2 ** 20;
const noteSegment = 4;
/** XEN_ELFNOTE_PHYS32_ENTRY: where a PVH start enters. */
const pvhEntry = 18;

/** Looks at a file that is to be a kernel. */
export async function readKernel(read: ReadAt): Promise<KernelFile> {
  const head = await read(0, multibootSearchBytes);
  const linux = isLinux(head);
  const elf = head.length > 64 && head.readUInt32BE(0) === 0x7f454c46;
  if (isMultiboot(head)) return refuse('is a multiboot kernel');
  // What it is would depend on who loads it.
  if (linux && elf) return refuse('is a bzImage and an ELF file at once');
  if (elf)
    return (await hasPvhEntry(read, head)) ? { ok: true, kind: 'elf' } : refuse('is an ELF file without a PVH entry');
  if (!linux) return refuse('is neither a bzImage nor an ELF file');
  if (head.readUInt16LE(0x206) < oldestProtocol) return refuse('is a bzImage of a boot protocol before 2.06');
  // Bit 0 of loadflags: a zImage is loaded low, and no VMM of ours does that.
  return ((head[0x211] ?? 0) & 1) === 1 ? { ok: true, kind: 'bzimage' } : refuse('is a zImage, not a bzImage');
}

function refuse(why: string): KernelFile {
  return { ok: false, why };
}

function isLinux(head: Buffer): boolean {
  return (
    head.length >= 0x268 && head.readUInt16LE(0x1fe) === 0xaa55 && head.toString('latin1', 0x202, 0x206) === 'HdrS'
  );
}

function isMultiboot(head: Buffer): boolean {
  for (let at = 0; at + 12 <= head.length; at += 4) {
    if (head.readUInt32LE(at) !== multibootMagic) continue;
    const sum = multibootMagic + head.readUInt32LE(at + 4) + head.readUInt32LE(at + 8);
    if (sum % 2 ** 32 === 0) return true;
  }
  return false;
}

/** Whether a 64-bit x86 ELF file has the note that names its PVH entry. */
async function hasPvhEntry(read: ReadAt, head: Buffer): Promise<boolean> {
  const [class64, littleEndian, x86] = [head[4] === 2, head[5] === 1, head.readUInt16LE(18) === 62];
  if (!class64 || !littleEndian || !x86) return false;
  const tableOffset = head.readBigUInt64LE(32);
  const [entryBytes, entries] = [head.readUInt16LE(54), head.readUInt16LE(56)];
  if (entryBytes !== 56 || entries > mostSegments || tableOffset > BigInt(Number.MAX_SAFE_INTEGER)) return false;
  const table = await read(Number(tableOffset), entries * entryBytes);
  for (let at = 0; at + entryBytes <= table.length; at += entryBytes) {
    if (table.readUInt32LE(at) !== noteSegment) continue;
    const [offset, bytes] = [table.readBigUInt64LE(at + 8), table.readBigUInt64LE(at + 32)];
    if (bytes > mostNoteBytes || offset > BigInt(Number.MAX_SAFE_INTEGER)) continue;
    if (namesPvhEntry(await read(Number(offset), Number(bytes)))) return true;
  }
  return false;
}

/** Notes: length of name, length of content, type, then both padded to 4 bytes. */
function namesPvhEntry(notes: Buffer): boolean {
  for (let at = 0; at + 12 <= notes.length; ) {
    const [nameBytes, contentBytes] = [notes.readUInt32LE(at), notes.readUInt32LE(at + 4)];
    const content = at + 12 + padded(nameBytes);
    if (content + padded(contentBytes) > notes.length) return false;
    const xen = nameBytes === 4 && notes.toString('latin1', at + 12, at + 16) === 'Xen\0';
    if (xen && notes.readUInt32LE(at + 8) === pvhEntry && contentBytes >= 4) return true;
    at = content + padded(contentBytes);
  }
  return false;
}

function padded(bytes: number): number {
  return Math.ceil(bytes / 4) * 4;
}
