// Headers of qcow2 images, read before any other program sees the file: an image can name other files of the host, and
// whoever opens it would read them for the guest. Pure over a reader. Source: QEMU's docs/interop/qcow2.txt.
import type { ReadAt } from './read-at.ts';

/** An image that names no other file and asks for nothing that sbx does not know. */
export interface Qcow2 {
  /** Size of the disk as a guest sees it, in `bytes` */
  readonly sizeBytes: number;
  readonly clusterBits: number;
  /** Where the table of tables of clusters lies, and how many entries it has */
  readonly tableOffset: number;
  readonly tableEntries: number;
}

/** A header that can be used, or why not: what the image "has" or "is", to stand behind its path. */
export type Qcow2Header = { readonly ok: true; readonly image: Qcow2 } | { readonly ok: false; readonly why: string };

/** Largest disk that an image may describe, in `bytes`: above what most file systems of a host can hold. */
export const largestDiskBytes: number = 8 * 2 ** 40;

/** The table of tables of a larger image is refused by QEMU as well (QCOW_MAX_L1_SIZE). */
const mostTableBytes = 32 * 2 ** 20;
const headerBytes = { 2: 72, 3: 104 } as const;
const dirty = 0n;
const compression = 3n;
/** Incompatible features that have a name; all others are refused by their number. */
const refusedFeatures: readonly (readonly [bit: bigint, name: string])[] = [
  [1n, 'is marked as damaged'],
  [2n, 'keeps its data in another file'],
  [4n, 'has extended cluster entries, which sbx does not take'],
];
const extensions: ReadonlyMap<number, string> = new Map([
  [0x44415441, 'names another file that its data is in'],
  [0x0537be77, 'is encrypted'],
  [0xe2792aca, 'is an overlay of another file'],
]);

/** Whether a file begins like a qcow2 image. */
export function isQcow2(head: Uint8Array): boolean {
  return head.length >= 4 && head[0] === 0x51 && head[1] === 0x46 && head[2] === 0x49 && head[3] === 0xfb;
}

/** Reads and checks the header of a file of `fileBytes` that begins like a qcow2 image. */
export async function readQcow2(read: ReadAt, fileBytes: number): Promise<Qcow2Header> {
  const head = await read(0, 112);
  const version = head.length >= 8 ? head.readUInt32BE(4) : 0;
  if (version !== 2 && version !== 3) return refuse(`is qcow2 of version ${version}`);
  if (head.length < headerBytes[version]) return refuse('is cut off in its header');
  const why = problemOf(head, version) ?? tableProblem(head, fileBytes);
  if (why !== undefined) return refuse(why);
  const clusterBits = head.readUInt32BE(20);
  const headerEnd = version === 2 ? headerBytes[2] : head.readUInt32BE(100);
  const extension = extensionProblem(await read(0, 2 ** clusterBits), headerEnd);
  if (extension !== undefined) return refuse(extension);
  return {
    ok: true,
    image: {
      sizeBytes: Number(head.readBigUInt64BE(24)),
      clusterBits,
      tableOffset: Number(head.readBigUInt64BE(40)),
      tableEntries: head.readUInt32BE(36),
    },
  };
}

function refuse(why: string): Qcow2Header {
  return { ok: false, why };
}

/** What is wrong with the fixed fields. */
function problemOf(head: Buffer, version: 2 | 3): string | undefined {
  if (head.readBigUInt64BE(8) !== 0n || head.readUInt32BE(16) !== 0) return 'is an overlay of another file';
  if (head.readUInt32BE(32) !== 0) return 'is encrypted';
  const clusterBits = head.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) return `has clusters of 2^${clusterBits} bytes`;
  const size = head.readBigUInt64BE(24);
  if (size > BigInt(largestDiskBytes))
    return `describes a disk of ${size} bytes; at most ${largestDiskBytes} are taken`;
  return version === 3 ? featureProblem(head, clusterBits) : undefined;
}

/** What is wrong with the fields that version 3 added. */
function featureProblem(head: Buffer, clusterBits: number): string | undefined {
  const incompatible = head.readBigUInt64BE(72);
  for (const [bit, name] of refusedFeatures) if ((incompatible >> bit) % 2n === 1n) return name;
  const known = (1n << dirty) | (1n << compression);
  const unknown = incompatible & ~known;
  if (unknown !== 0n) return `asks for features that sbx does not know (0x${unknown.toString(16)})`;
  // Without the incompatible bit it means nothing, but whoever sets it wants an external data file.
  if ((head.readBigUInt64BE(88) >> 1n) % 2n === 1n) return 'keeps its data in another file';
  if (head.readUInt32BE(96) > 6) return 'has an unknown refcount width';
  const length = head.readUInt32BE(100);
  if (length < headerBytes[3] || length % 8 !== 0 || length > 2 ** clusterBits)
    return `has a header of ${length} bytes`;
  const compressed = (incompatible >> compression) % 2n === 1n;
  if (compressed && (length <= 104 || (head[104] ?? 255) > 1)) return 'is compressed in a way that sbx does not know';
  return undefined;
}

function tableProblem(head: Buffer, fileBytes: number): string | undefined {
  const entries = head.readUInt32BE(36);
  const offset = head.readBigUInt64BE(40);
  const cluster = 2n ** BigInt(head.readUInt32BE(20));
  const needed = (head.readBigUInt64BE(24) + (cluster * cluster) / 8n - 1n) / ((cluster * cluster) / 8n);
  if (BigInt(entries) < needed) return 'has a table that is too short for its disk';
  if (entries * 8 > mostTableBytes) return `has a table of ${entries} entries`;
  if (offset % cluster !== 0n || offset + BigInt(entries) * 8n > BigInt(fileBytes))
    return 'has a table outside of itself';
  return undefined;
}

/** Extensions lie between the header and the end of the first cluster: type, length, content padded to 8 bytes. */
function extensionProblem(cluster: Buffer, from: number): string | undefined {
  for (let at = from; at + 8 <= cluster.length; ) {
    const type = cluster.readUInt32BE(at);
    const length = cluster.readUInt32BE(at + 4);
    if (type === 0) return undefined;
    const refused = extensions.get(type);
    if (refused !== undefined) return refused;
    if (length > cluster.length - at - 8) return 'has a header extension that leads out of the header';
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}

/** Most bytes of tables that are read to see how full an image is; enough for 256 GiB of clusters of the usual size. */
const mostCountedBytes = 64 * 2 ** 20;

/**
 * How many `bytes` an image takes when it is unpacked, at most: all clusters that it has something for, however often
 * one stands for many. The whole disk where its tables are too many to be counted.
 */
export async function unpackedBytes(read: ReadAt, image: Qcow2): Promise<number> {
  const { clusterBits, tableOffset, tableEntries, sizeBytes } = image;
  const cluster = 2 ** clusterBits;
  const counted = new Map<number, number>();
  const tables = await read(tableOffset, tableEntries * 8);
  let clusters = 0;
  for (let at = 0; at + 8 <= tables.length; at += 8) {
    const offset = hostOffset(tables, at);
    if (offset === 0) continue;
    let used = counted.get(offset);
    if (used === undefined) {
      if ((counted.size + 1) * cluster > mostCountedBytes) return sizeBytes;
      used = countClusters(await read(offset, cluster));
      counted.set(offset, used);
    }
    clusters += used;
  }
  return Math.min(clusters * cluster, sizeBytes);
}

/** Entries that stand for content: compressed (bit 62), or with a place in the file and not marked as zeros (bit 0). */
function countClusters(table: Buffer): number {
  let used = 0;
  for (let at = 0; at + 8 <= table.length; at += 8) {
    const high = table.readUInt32BE(at);
    const compressed = (high & 0x40000000) !== 0;
    if (compressed || (hostOffset(table, at) !== 0 && (table.readUInt32BE(at + 4) & 1) === 0)) used += 1;
  }
  return used;
}

/** Bits 9 to 55 of an entry. */
function hostOffset(table: Buffer, at: number): number {
  const high = table.readUInt32BE(at) & 0x00ffffff;
  const low = table.readUInt32BE(at + 4);
  return high * 2 ** 32 + (low - (low % 512));
}
