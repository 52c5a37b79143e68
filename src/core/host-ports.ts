// Ends on the host (address, port, protocol), and the one rule for which of them cannot be open at the same time. Pure.
import type { PublishedPort } from './desired.ts';

/** An end on the host. */
export type HostPort = Pick<PublishedPort, 'hostIp' | 'hostPort' | 'protocol'>;

/** Ends that somebody has, to be asked about one end at a time. */
export interface PortIndex {
  /** The key of the first one that keeps this end from being opened, as it was given, or undefined */
  readonly conflict: (port: HostPort) => string | undefined;
}

/**
 * Whether one of the two ends cannot be opened while the other one is: the same port and protocol on the same address, or on a
 * wildcard that takes the other's address with it.
 */
export function portsOverlap(a: HostPort, b: HostPort): boolean {
  return a.hostPort === b.hostPort && a.protocol === b.protocol && addressesOverlap(a.hostIp, b.hostIp);
}

/** Makes an index of keys such as `127.0.0.1:8080/tcp`, `[::]:53/udp`, but those of `except`. What is no key is left out. */
export function portIndex(keys: Iterable<string>, except: Iterable<string> = []): PortIndex {
  const ours = new Set([...except].map((key) => canonicalEnd(key)?.join(':')));
  const byPort = new Map<string, { readonly key: string; readonly hostIp: string }[]>();
  for (const key of keys) {
    const end = canonicalEnd(key);
    if (end === undefined || ours.has(end.join(':'))) continue;
    const [hostIp, port] = end;
    const list = byPort.get(port);
    if (list === undefined) byPort.set(port, [{ key, hostIp }]);
    else list.push({ key, hostIp });
  }
  return {
    conflict: ({ hostIp, hostPort, protocol }) =>
      byPort.get(`${hostPort}/${protocol}`)?.find((other) => addressesOverlap(hostIp, other.hostIp))?.key,
  };
}

/** Address and `port/protocol` of a key. */
function canonicalEnd(key: string): readonly [hostIp: string, port: string] | undefined {
  const [, hostIp = '', port = ''] = /^(.*):(\d+\/(?:tcp|udp))$/.exec(key) ?? [];
  return port === '' ? undefined : [canonicalAddress(hostIp), port];
}

/** The wildcard of IPv6 takes IPv4 with it, unless its socket was told not to; that cannot be seen from outside. */
function addressesOverlap(a: string, b: string): boolean {
  if (a === b) return true;
  const [one, other] = [canonicalAddress(a), canonicalAddress(b)];
  if (one === other || one === anyIpv6 || other === anyIpv6) return true;
  if (one !== anyIpv4 && other !== anyIpv4) return false;
  return !one.includes(':') && !other.includes(':');
}

const anyIpv4 = '0.0.0.0';
const anyIpv6 = '0:0:0:0:0:0:0:0';

/** One spelling per address: IPv6 without brackets, zone and `::`, and an IPv4 address inside of it as what it is. */
function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text;
  const [bare = ''] = text.replace(/[[\]]/g, '').toLowerCase().split('%');
  const inside = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(bare);
  const hex = (high = '', low = '') => (Number(high) * 256 + Number(low)).toString(16);
  const whole = inside === null ? bare : `${inside[1]}${hex(inside[2], inside[3])}:${hex(inside[4], inside[5])}`;
  const [head = '', tail] = whole.split('::');
  const [before, after] = [head, tail ?? ''].map((part) => (part === '' ? [] : part.split(':')));
  const gap = tail === undefined ? 0 : Math.max(0, 8 - (before?.length ?? 0) - (after?.length ?? 0));
  const groups = [...(before ?? []), ...Array<string>(gap).fill('0'), ...(after ?? [])].map((part) =>
    Number.parseInt(part, 16),
  );
  const mapped = groups.length === 8 && groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (!mapped) return groups.map((group) => group.toString(16)).join(':');
  return groups
    .slice(6)
    .flatMap((group) => [group >> 8, group & 255])
    .join('.');
}
