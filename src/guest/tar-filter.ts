// Looks through a tar stream of a guest before the host's tar sees it: what is no file, folder or link never reaches it, and a
// stream that is none, never ends or lies about its own shape is refused. Formats: ustar, GNU and pax, as tar(5) has them.
import { Transform, type TransformCallback } from 'node:stream';
import { SbxError } from '../core/errors.ts';

const block = 512;
/** Longest path of a member: the host could neither make nor remove a longer one. */
const longestPath = 3000;
/** Most bytes of a header that goes before its member, such as a long name */
const longestExtra = 64 * 1024;

export interface TarLimits {
  /** Most members */
  readonly members: number;
  /** Told about every so many bytes that pass; throws when there is no room for more */
  readonly onBytes?: (bytes: number) => void;
}

interface Header {
  readonly type: string;
  readonly size: number;
  readonly path: string;
}

/** A stream to put between two tars. `skipped` gets the paths of members that were left out. Fails with SBX8005. */
export class TarFilter extends Transform {
  readonly skipped: string[] = [];
  /** Whether the stream ended before its archive did */
  brokeOff = false;
  readonly #limits: TarLimits;
  #buffer: Buffer = Buffer.alloc(0);
  /** Bytes of the current member that are still to come, with its padding */
  #rest = 0;
  #keeps = false;
  /** A long name or pax header that belongs to the next member */
  #extra: { readonly bytes: Buffer[]; path?: string; size?: number } = { bytes: [] };
  #members = 0;
  #ended = false;

  constructor(limits: TarLimits) {
    super();
    this.#limits = limits;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    try {
      this.#limits.onBytes?.(chunk.length);
      this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
      while (this.#step());
      done();
    } catch (error) {
      done(error instanceof Error ? error : new SbxError('SBX8005', String(error)));
    }
  }

  override _flush(done: TransformCallback): void {
    this.brokeOff = !this.#ended;
    if (this.#ended) done();
    else done(refusal(this.#members === 0 ? 'the guest sent no archive' : 'the archive of the guest breaks off'));
  }

  /** Takes one header, or some of a member's bytes; false when more must come first. */
  #step(): boolean {
    if (this.#ended) {
      this.#buffer = Buffer.alloc(0);
      return false;
    }
    if (this.#rest > 0) return this.#pass();
    if (this.#buffer.length < block) return false;
    const head = this.#buffer.subarray(0, block);
    if (head.every((byte) => byte === 0)) {
      // Two empty blocks end an archive; what comes behind them is nobody's.
      this.#ended = true;
      this.push(Buffer.alloc(2 * block));
      return true;
    }
    const { type, size, path } = parseHeader(head);
    if (type === 'L' || type === 'K' || type === 'x') return this.#takeExtra(type, size, head);
    this.#buffer = this.#buffer.subarray(block);
    this.#begin(head, { type, size: this.#extra.size ?? size, path: this.#extra.path ?? path });
    return true;
  }

  #begin(head: Buffer, { type, size, path }: Header): void {
    const extra = this.#extra.bytes;
    this.#extra = { bytes: [] };
    this.#rest = padded(size);
    // What pax says for all members at once has no place here: no tar writes it by itself.
    this.#keeps = false;
    if (type === 'g') return;
    this.#members += 1;
    if (this.#members > this.#limits.members)
      throw refusal(
        `the guest sends more than ${this.#limits.members} files`,
        'Pack them in the guest, and copy the archive.',
      );
    if (Buffer.byteLength(path) > longestPath) throw refusal('the guest sends a path that is too long for this host');
    if (!/^[0157\0]|^2/.test(type)) {
      this.skipped.push(path);
      return;
    }
    this.#keeps = true;
    for (const bytes of [...extra, head]) this.push(bytes);
  }

  #pass(): boolean {
    if (this.#buffer.length === 0) return false;
    const part = this.#buffer.subarray(0, this.#rest);
    this.#buffer = this.#buffer.subarray(part.length);
    this.#rest -= part.length;
    if (this.#keeps) this.push(part);
    return this.#buffer.length > 0;
  }

  /** A header about the next member: kept whole, and looked into for what frames it. */
  #takeExtra(type: 'L' | 'K' | 'x', size: number, head: Buffer): boolean {
    if (size > longestExtra) throw refusal('the guest sends a name that is too long for this host');
    const whole = block + padded(size);
    if (this.#buffer.length < whole) return false;
    const content = this.#buffer.subarray(block, block + size);
    this.#extra.bytes.push(head, Buffer.from(this.#buffer.subarray(block, whole)));
    this.#buffer = this.#buffer.subarray(whole);
    if (this.#extra.bytes.length > 8) throw refusal('the archive of the guest has too many headers for one file');
    if (type === 'L') this.#extra.path = textOf(content);
    if (type === 'x') Object.assign(this.#extra, paxOf(content.toString('utf8')));
    return true;
  }
}

function padded(size: number): number {
  return Math.ceil(size / block) * block;
}

function parseHeader(head: Buffer): Header {
  const sum = head.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 32 : byte), 0);
  if (sum !== octal(head.subarray(148, 156))) throw refusal('what the guest sends is no archive');
  const name = textOf(head.subarray(0, 100));
  const isPosix = head.subarray(257, 263).equals(Buffer.from('ustar\0'));
  const prefix = isPosix ? textOf(head.subarray(345, 500)) : '';
  const type = String.fromCharCode(head[156] ?? 0);
  return { type, size: sizeOf(head.subarray(124, 136)), path: prefix === '' ? name : `${prefix}/${name}` };
}

/** Octal digits, or a binary number behind a first byte of 0x80 (GNU). */
function sizeOf(field: Buffer): number {
  const first = field[0] ?? 0;
  if (first < 0x80) return checkedSize(octal(field));
  return checkedSize(field.subarray(1).reduce((total, byte) => total * 256 + byte, first & 0x7f));
}

function checkedSize(size: number): number {
  // Beyond this no file system of today has a file.
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw refusal('the archive of the guest holds a file of an impossible size');
}

function octal(field: Buffer): number {
  const text = textOf(field).trim();
  return /^[0-7]*$/.test(text) ? Number.parseInt(text || '0', 8) : Number.NaN;
}

function textOf(field: Buffer): string {
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? field.length : end).toString('utf8');
}

/** Path and size of a pax header: lines of `LENGTH KEY=VALUE`. Refuses what would give the member another shape. */
function paxOf(text: string): { path?: string; size?: number } {
  const found: { path?: string; size?: number } = {};
  for (const [, key = '', value = ''] of text.matchAll(/(?:^|\n)\d+ ([^=\n]+)=([^\n]*)/g)) {
    if (key.startsWith('GNU.sparse')) throw refusal('the archive of the guest holds a sparse file');
    if (key === 'path') found.path = value;
    if (key === 'size') found.size = checkedSize(/^\d+$/.test(value) ? Number(value) : Number.NaN);
  }
  return found;
}

function refusal(message: string, hint?: string): SbxError {
  return new SbxError('SBX8005', message, hint === undefined ? {} : { hint });
}
