// What the files of an image are, from their own bytes: a kernel that every VMM loads alike, a disk that names no other file.
import { SbxError } from '../core/errors.ts';
import { readKernel } from './kernel-file.ts';
import type { OwnFile } from './own-file.ts';
import { isQcow2, largestDiskBytes, readQcow2, unpackedBytes } from './qcow2.ts';
import { type ReadAt, readerOf } from './read-at.ts';

/** A disk of an image: `sizeBytes` as a guest sees it. */
export interface DiskFacts {
  readonly format: 'raw' | 'qcow2';
  readonly sizeBytes: number;
}

/** Refuses a kernel that is of another kind than those that are taken. Throws SBX7006. */
export async function checkKernel({ path, file }: Pick<OwnFile, 'path' | 'file'>): Promise<void> {
  const found = await readKernel(readerOf(file));
  if (found.ok) return;
  throw new SbxError('SBX7006', `${path} ${found.why}`, {
    hint: 'A kernel is a bzImage (vmlinuz of a distribution) or an ELF vmlinux with a PVH note (CONFIG_PVH).',
  });
}

/** Format and size of a disk, from its first bytes: qcow2, else raw. Throws SBX7006 for one that may not be opened. */
export async function inspectDisk(own: Pick<OwnFile, 'path' | 'file' | 'sizeBytes'>): Promise<DiskFacts> {
  const read = readerOf(own.file);
  if (!isQcow2(await read(0, 4))) return rawDisk(own, read);
  const header = await readQcow2(read, own.sizeBytes);
  if (header.ok) return { format: 'qcow2', sizeBytes: header.image.sizeBytes };
  throw new SbxError('SBX7006', `${own.path} ${header.why}`, {
    hint: 'A guest may read only what stands in the sandbox file. Make it one plain image:\nqemu-img convert -f qcow2 -O qcow2 FILE PLAIN',
  });
}

/** What a disk takes when it is unpacked for a VM, in `bytes`, at most. */
export async function unpackedSize(own: Pick<OwnFile, 'path' | 'file' | 'sizeBytes'>): Promise<number> {
  const read = readerOf(own.file);
  const header = await readQcow2(read, own.sizeBytes);
  return header.ok ? await unpackedBytes(read, header.image) : own.sizeBytes;
}

/** Beginnings of formats that are no disk as a guest would read it. */
const otherFormats: readonly (readonly [name: string, magic: string])[] = [
  ['VHDX', 'vhdxfile'],
  ['VHD', 'conectix'],
  ['VMDK', 'KDMV'],
  ['VMDK', '# Disk DescriptorFile'],
  ['VDI', '<<< Oracle VM VirtualBox'],
  ['QED', 'QED\0'],
  ['LUKS', 'LUKS\u00ba\u00be'],
];

async function rawDisk(own: Pick<OwnFile, 'path' | 'sizeBytes'>, read: ReadAt): Promise<DiskFacts> {
  const head = (await read(0, 64)).toString('latin1');
  const other = otherFormats.find(([, magic]) => head.startsWith(magic));
  if (other !== undefined)
    throw new SbxError('SBX7006', `${own.path} is ${other[0]}, and a disk is raw or qcow2`, {
      hint: 'Convert it:\nqemu-img convert -O qcow2 FILE FILE.qcow2',
    });
  if (own.sizeBytes <= largestDiskBytes) return { format: 'raw', sizeBytes: own.sizeBytes };
  throw new SbxError('SBX7006', `${own.path} has ${own.sizeBytes} bytes, and a disk at most ${largestDiskBytes}`);
}
