// The kernel of an image: taken out of its self-extracting wrapper where that is possible, since under emulation the
// unpacking alone costs a third of a second.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { SbxError } from '../core/errors.ts';
import { tryRun } from '../host/exec.ts';
import { readKernel } from './kernel-file.ts';
import { readerOver } from './read-at.ts';

/** What kind of wrapper a kernel payload has. */
export type Compression = 'gzip' | 'xz' | 'zstd' | 'lz4' | 'none';

const magics: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['lz4', [0x02, 0x21, 0x4c, 0x18]],
  ['lz4', [0x04, 0x22, 0x4d, 0x18]],
  ['none', [0x7f, 0x45, 0x4c, 0x46]],
];

/** The kernel in a tree of unpacked packages: its image and its release. Throws SBX7001 when there is not exactly one. */
export async function findKernel(tree: string): Promise<{ readonly path: string; readonly release: string }> {
  const names = (await readdir(join(tree, 'boot')).catch(() => [])).filter((name) => name.startsWith('vmlinuz-'));
  const [name] = names;
  if (name === undefined || names.length > 1)
    throw new SbxError('SBX7001', `the kernel package holds ${names.length} kernels, not one`);
  return { path: join(tree, 'boot', name), release: name.slice('vmlinuz-'.length) };
}

/**
 * The compressed kernel inside a bzImage, or undefined for other files. Offsets: boot protocol 2.08, fields
 * `setup_sects`, `payload_offset` and `payload_length` (Documentation/arch/x86/boot.rst of the Linux kernel).
 */
export function bzImagePayload(
  image: Uint8Array,
): { readonly compression: Compression; readonly bytes: Buffer } | undefined {
  const file = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  if (file.length < 0x250 || file.toString('latin1', 0x202, 0x206) !== 'HdrS' || file.readUInt16LE(0x206) < 0x208)
    return undefined;
  const setupSectors = file[0x1f1] === 0 ? 4 : (file[0x1f1] ?? 4);
  const start = (setupSectors + 1) * 512 + file.readUInt32LE(0x248);
  const bytes = file.subarray(start, start + file.readUInt32LE(0x24c));
  const found = magics.find(([, magic]) => magic.every((byte, index) => bytes[index] === byte));
  return found === undefined ? undefined : { compression: found[0], bytes };
}

/** The plain kernel of a bzImage, or the bzImage itself where the host lacks the program to unpack it. */
export async function bootableKernel(path: string, work: string, signal?: AbortSignal): Promise<Buffer> {
  const image = await readFile(path);
  const payload = bzImagePayload(image);
  const kernel = payload === undefined ? undefined : await unpack(payload.compression, payload.bytes, work, signal);
  // Only a kernel with its PVH entry can be started without the wrapper.
  return kernel !== undefined && (await readKernel(readerOver(kernel))).ok ? kernel : image;
}

async function unpack(
  compression: Compression,
  bytes: Buffer,
  work: string,
  signal: AbortSignal | undefined,
): Promise<Buffer | undefined> {
  // The build of the kernel appends the unpacked size, 4 bytes, which is no part of the stream.
  const stream = bytes.subarray(0, -4);
  if (compression === 'none') return bytes;
  if (compression === 'gzip') return gunzipSync(bytes);
  return await unpackFile(compression, stream, work, signal);
}

/** Unpacks bytes by a program of the host; undefined when it is not there or fails. */
export async function unpackFile(
  program: 'xz' | 'zstd' | 'lz4',
  bytes: Uint8Array,
  work: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const packed = join(work, `packed.${program === 'zstd' ? 'zst' : program}`);
  const plain = join(work, 'packed');
  try {
    await writeFile(packed, bytes);
    await rm(plain, { force: true });
    const argv = program === 'lz4' ? ['lz4', '-dfq', packed, plain] : [program, '-dfkq', packed];
    const limits = { timeoutMs: 120_000, ...(signal === undefined ? {} : { signal }) };
    const result = await tryRun(argv, limits).catch(() => undefined);
    return result?.code === 0 ? await readFile(plain) : undefined;
  } finally {
    await rm(packed, { force: true });
    await rm(plain, { force: true });
  }
}
