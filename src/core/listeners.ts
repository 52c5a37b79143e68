// Whether a port of the host can be taken, given who listens. Pure.

/**
 * Whether a listener keeps `hostIp:port/protocol` from being opened: the same address, a wildcard, or for a wildcard any address.
 * `listeners` is in the form of HostFacts: `127.0.0.1:8080/tcp`, `[::]:53/udp`.
 */
export function isPortTaken(
  listeners: ReadonlySet<string>,
  hostIp: string,
  port: number,
  protocol: 'tcp' | 'udp',
): boolean {
  const end = `:${port}/${protocol}`;
  // A wildcard of IPv6 takes IPv4 with it, unless it was told not to; that cannot be seen from outside.
  if ([hostIp, '0.0.0.0', '[::]'].some((ip) => listeners.has(`${ip}${end}`))) return true;
  if (hostIp !== '0.0.0.0') return false;
  for (const listener of listeners) if (listener.endsWith(end) && !listener.startsWith('[')) return true;
  return false;
}
