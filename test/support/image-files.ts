// Files of images, made by hand: kernels of every kind and qcow2 images, as small as their formats allow.

/** An ELF kernel with the note of its PVH entry; `name` and `type` of the note are that of another when given. */
export function elfKernel(note: { readonly name?: string; readonly type?: number } = {}): Buffer {
  const { name = 'Xen\0', type = 18 } = note;
  const file = Buffer.alloc(256);
  file.write('\u007fELF', 0, 'latin1');
  file.set([2, 1, 1], 4);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(62, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  file.writeUInt32LE(4, 64);
  file.writeBigUInt64LE(128n, 72);
  file.writeBigUInt64LE(20n, 96);
  file.writeUInt32LE(name.length, 128);
  file.writeUInt32LE(4, 132);
  file.writeUInt32LE(type, 136);
  file.write(name, 140, 'latin1');
  file.writeUInt32LE(0x100000, 144);
  return file;
}

/** A bzImage of a boot protocol, by default 2.15. */
export function bzImage(protocol = 0x20f): Buffer {
  const file = Buffer.alloc(1024);
  file.writeUInt16LE(0xaa55, 0x1fe);
  file.write('HdrS', 0x202);
  file.writeUInt16LE(protocol, 0x206);
  file[0x211] = 1;
  return file;
}

/** Puts a multiboot header into a kernel. */
export function withMultiboot(kernel: Buffer, at = 0xc0): Buffer {
  const file = Buffer.concat([kernel, Buffer.alloc(Math.max(0, at + 12 - kernel.length))]);
  file.writeUInt32LE(0x1badb002, at);
  file.writeUInt32LE(0, at + 4);
  file.writeUInt32LE(2 ** 32 - 0x1badb002, at + 8);
  return file;
}

/** Fields of a qcow2 image that a test sets otherwise. */
export interface Qcow2Fields {
  readonly version?: number;
  readonly sizeBytes?: bigint;
  readonly clusterBits?: number;
  readonly backingOffset?: bigint;
  readonly crypt?: number;
  readonly incompatible?: bigint;
  readonly autoclear?: bigint;
  readonly headerLength?: number;
  readonly tableEntries?: number;
  readonly tableOffset?: bigint;
  readonly extensions?: readonly (readonly [type: number, content: string])[];
  /** How many of the entries of the table of tables lead to one table that is full */
  readonly full?: number;
}

/** A qcow2 image of version 3, of 64 KiB clusters and one of them full where `full` says so. */
export function qcow2(fields: Qcow2Fields = {}): Buffer {
  const { sizeBytes = 64n * 2n ** 20n, clusterBits = 16, tableEntries = 1, extensions = [], full = 0 } = fields;
  const cluster = 65536;
  const file = Buffer.alloc(cluster * 4);
  file.write('QFI\u00fb', 0, 'latin1');
  file.writeUInt32BE(fields.version ?? 3, 4);
  file.writeBigUInt64BE(fields.backingOffset ?? 0n, 8);
  file.writeUInt32BE(fields.backingOffset === undefined ? 0 : 8, 16);
  file.writeUInt32BE(clusterBits, 20);
  file.writeBigUInt64BE(sizeBytes, 24);
  file.writeUInt32BE(fields.crypt ?? 0, 32);
  file.writeUInt32BE(tableEntries, 36);
  file.writeBigUInt64BE(fields.tableOffset ?? BigInt(cluster), 40);
  file.writeBigUInt64BE(fields.incompatible ?? 0n, 72);
  file.writeBigUInt64BE(fields.autoclear ?? 0n, 88);
  file.writeUInt32BE(4, 96);
  file.writeUInt32BE(fields.headerLength ?? 104, 100);
  let at = 104;
  for (const [type, content] of extensions) {
    file.writeUInt32BE(type, at);
    file.writeUInt32BE(content.length, at + 4);
    file.write(content, at + 8);
    at += 8 + Math.ceil(content.length / 8) * 8;
  }
  for (let entry = 0; entry < full; entry += 1) file.writeBigUInt64BE(BigInt(2 * cluster), cluster + entry * 8);
  if (full > 0)
    for (let entry = 0; entry < cluster / 8; entry += 1)
      file.writeBigUInt64BE(BigInt(3 * cluster), 2 * cluster + entry * 8);
  return file;
}
