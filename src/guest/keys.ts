// Keys of a sandbox: one for its user, one for its guests to be known by. Both ed25519, made by node:crypto alone.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { bug } from '../core/errors.ts';

const algorithm = 'ssh-ed25519';

/** A key for ssh(1). */
export interface UserKeyPair {
  /** Content of the private key file, OpenSSH's own format (PROTOCOL.key of OpenSSH) */
  readonly privateKey: string;
  /** A line for authorized_keys */
  readonly publicLine: string;
}

/** A key for dropbear. */
export interface HostKeyPair {
  /** Content of dropbear's key file: algorithm, then private and public half as one string */
  readonly privateKey: Uint8Array;
  /** Algorithm and key, as they stand in known_hosts after the name */
  readonly publicLine: string;
}

/** A new user key. `comment` is for people: `sbx shop`. */
export function makeUserKey(comment: string): UserKeyPair {
  const { secret, point } = newKey();
  const blob = Buffer.concat([sshString(algorithm), sshString(point)]);
  const check = randomBytes(4);
  const inner = Buffer.concat([
    check,
    check,
    blob,
    sshString(Buffer.concat([secret, point])),
    sshString(comment.replaceAll(/[\r\n\0]/g, ' ')),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (inner.length % 8)) % 8 }, (_, index) => index + 1));
  const file = Buffer.concat([
    Buffer.from('openssh-key-v1\0'),
    sshString('none'),
    sshString('none'),
    sshString(''),
    uint32(1),
    sshString(blob),
    sshString(Buffer.concat([inner, padding])),
  ]);
  const lines = file
    .toString('base64')
    .replaceAll(/(.{70})/g, '$1\n')
    .replace(/\n$/, '');
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicLine: `${algorithm} ${blob.toString('base64')} ${comment.replaceAll(/[\r\n\0]/g, ' ')}`,
  };
}

/** A new host key. */
export function makeHostKey(): HostKeyPair {
  const { secret, point } = newKey();
  const blob = Buffer.concat([sshString(algorithm), sshString(point)]);
  return {
    privateKey: Buffer.concat([sshString(algorithm), sshString(Buffer.concat([secret, point]))]),
    publicLine: `${algorithm} ${blob.toString('base64')}`,
  };
}

/**
 * Both halves of a new ed25519 key, 32 bytes each: the ends of its encodings (RFC 8410). They are made while the key is: Node 20 waits
 * for itself for ever when a key is exported later and its garbage collection ends the job that made it in that moment.
 */
function newKey(): { readonly secret: Buffer; readonly point: Buffer } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519', {
    privateKeyEncoding: { format: 'der', type: 'pkcs8' },
    publicKeyEncoding: { format: 'der', type: 'spki' },
  });
  if (privateKey.length !== 48 || publicKey.length !== 44)
    return bug('node:crypto made an ed25519 key of another size');
  return { secret: privateKey.subarray(-32), point: publicKey.subarray(-32) };
}

function sshString(value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
