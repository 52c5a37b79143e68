// Headers of images with anything in them: reading one never throws, never takes long, and what it lets pass names no file.
import fc from 'fast-check';
import t from 'tap';
import { readKernel } from '../../src/images/kernel-file.ts';
import { largestDiskBytes, readQcow2, unpackedBytes } from '../../src/images/qcow2.ts';
import { type ReadAt, readerOver } from '../../src/images/read-at.ts';
import { bzImage, elfKernel, qcow2, withMultiboot } from '../support/image-files.ts';
import { propertyOptions, soak } from '../support/property.ts';

t.setTimeout(soak ? 24 * 3600_000 : 15 * 60_000);

/** A reader over bytes that counts what is read. */
function reader(bytes: Buffer): { readonly read: ReadAt; readonly total: () => number } {
  let total = 0;
  return {
    read: async (offset, length) => {
      total += length;
      return await readerOver(bytes)(offset, length);
    },
    total: () => total,
  };
}

/** A sound file with some of its bytes, mostly of its header, overwritten, and perhaps cut off. */
function spoiled(sound: readonly Buffer[], headerBytes: number): fc.Arbitrary<Buffer> {
  const word = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 8 }),
    fc.constantFrom(
      [0, 0, 0, 0],
      [255, 255, 255, 255, 255, 255, 255, 255],
      [0x44, 0x41, 0x54, 0x41],
      [2, 0xb0, 0xad, 0x1b],
    ),
    fc
      .constantFrom([0x7f, 0x45, 0x4c, 0x46], [0x48, 0x64, 0x72, 0x53], [0xe2, 0x79, 0x2a, 0xca])
      .map((bytes) => Uint8Array.from(bytes)),
  );
  const writes = fc.array(fc.tuple(fc.nat(headerBytes), word), { maxLength: 6 });
  const cut = fc.option(fc.nat(headerBytes * 2), { freq: 5 });
  return fc.tuple(fc.constantFrom(...sound), writes, cut).map(([from, all, length]) => {
    const file = Buffer.from(from);
    for (const [at, bytes] of all) for (const [index, byte] of [...bytes].entries()) file[at + index] = byte;
    return length === null ? file : file.subarray(0, length);
  });
}

const runs = propertyOptions({ few: 5000, many: 3_000_000 });

t.test('qcow2', async (t) => {
  const sound = [
    qcow2(),
    qcow2({ version: 2 }),
    qcow2({ full: 1 }),
    qcow2({ extensions: [[0x6803f857, 'x'.repeat(48)]] }),
  ];
  let passed = 0;
  const property = fc.asyncProperty(spoiled(sound, 160), async (file) => {
    const { read, total } = reader(file);
    const header = await readQcow2(read, file.length);
    if (!header.ok) return header.why !== '' && !header.why.includes('\n');
    passed += 1;
    const unpacked = await unpackedBytes(read, header.image);
    return (
      file.readBigUInt64BE(8) === 0n &&
      file.readUInt32BE(32) === 0 &&
      (file.readUInt32BE(4) === 2 || (file.readBigUInt64BE(72) & ~9n) === 0n) &&
      header.image.sizeBytes <= largestDiskBytes &&
      unpacked <= header.image.sizeBytes &&
      total() < 128 * 2 ** 20
    );
  });
  await t.resolves(fc.assert(property, { ...runs, examples: sound.map((file) => [file] as [Buffer]) }));
  t.ok(passed >= sound.length, `${passed} passed`);
});

t.test('kernels', async (t) => {
  const sound = [bzImage(), elfKernel()];
  const kinds = new Set<string>();
  const property = fc.asyncProperty(spoiled([...sound, withMultiboot(elfKernel())], 0x260), async (file) => {
    const { read, total } = reader(file);
    const found = await readKernel(read);
    if (found.ok) kinds.add(found.kind);
    return total() < 256 * 2 ** 20 && (!found.ok || !isMultibootForQemu(file));
  });
  await t.resolves(fc.assert(property, { ...runs, examples: sound.map((file) => [file] as [Buffer]) }));
  t.strictSame([...kinds].sort(), ['bzimage', 'elf']);
});

/** As QEMU sees it: no word at 0x202 of a Linux kernel, and a header with a right sum (hw/i386/x86.c, multiboot.c). */
function isMultibootForQemu(file: Buffer): boolean {
  if (file.length > 0x206 && file.toString('latin1', 0x202, 0x206) === 'HdrS') return false;
  for (let at = 0; at + 12 <= Math.min(file.length, 8192); at += 4) {
    const words = [0, 4, 8].map((step) => file.readUInt32LE(at + step));
    if (words[0] === 0x1badb002 && words.reduce((sum, word) => sum + word, 0) % 2 ** 32 === 0) return true;
  }
  return false;
}
