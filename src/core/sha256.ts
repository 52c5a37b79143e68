// SHA-256 of short things on the way of every plan: names of folders and links, digests of recipes. In JavaScript, since
// loading Node's crypto costs a plan of few VMs more than all hashes that it makes. Long files are hashed with Node's.
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';

/** Hexadecimal SHA-256 of parts, one after the other; text as UTF-8. */
export function sha256Hex(...parts: readonly (string | Uint8Array)[]): string {
  const hash = sha256.create();
  for (const part of parts) hash.update(typeof part === 'string' ? utf8ToBytes(part) : part);
  return bytesToHex(hash.digest());
}
