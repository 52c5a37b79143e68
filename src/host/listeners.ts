// Who listens on this host, from /proc/net: no process and no rights needed.
import { readFileSync } from 'node:fs';

const tables = [
  { path: '/proc/net/tcp', protocol: 'tcp' },
  { path: '/proc/net/tcp6', protocol: 'tcp' },
  { path: '/proc/net/udp', protocol: 'udp' },
  { path: '/proc/net/udp6', protocol: 'udp' },
] as const;

/** Ends that something listens on: `0.0.0.0:8080/tcp`, `[::]:53/udp`. */
export function readListeners(): ReadonlySet<string> {
  return new Set(tables.flatMap(({ path, protocol }) => listenersFrom(readTable(path), protocol)));
}

/** Listeners of one table of /proc/net: TCP in state LISTEN (0A), UDP without a peer (07). */
export function listenersFrom(text: string, protocol: 'tcp' | 'udp'): readonly string[] {
  const state = protocol === 'tcp' ? '0A' : '07';
  return text.split('\n').flatMap((line) => {
    const [, local = '', , seen] = line.trim().split(/\s+/);
    const [ip = '', port = ''] = local.split(':');
    return seen === state && port.length === 4 ? [`${addressOf(ip)}:${Number.parseInt(port, 16)}/${protocol}`] : [];
  });
}

/** The kernel prints addresses as 32-bit words in the byte order of the machine; all machines that sbx runs on are little-endian. */
function addressOf(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  if (mapped) return bytes.slice(12).join('.');
  if (bytes.every((byte) => byte === 0)) return '[::]';
  const words = Array.from({ length: 8 }, (_, at) =>
    ((bytes[at * 2] ?? 0) * 256 + (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return `[${words.join(':')}]`;
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // A kernel without IPv6 has no such table.
    return '';
  }
}
