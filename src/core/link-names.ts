// Names and hardware addresses of the links that sbx makes, and the addresses of its uplink. Pure: the same input gives the same name.
import { sha256Hex } from './sha256.ts';

/** Every link of ours begins with this; nothing else in a sandbox's namespace does. */
export const linkPrefix = 'sbx';

/** What the user-space uplink occupies in every namespace that has one. A network of a sandbox cannot overlap it. */
export const uplink = {
  ifname: 'tap0',
  subnet: '10.0.2.0/24',
  /** The namespace's own end: packets leave with it and published ports arrive at it */
  address: '10.0.2.100',
  /** The host, as seen from within; closed to guests */
  gateway: '10.0.2.2',
  /** Answers DNS with the host's resolvers; the one address of the subnet that guests may use */
  dns: '10.0.2.3',
} as const;

/** Interface name of a network's bridge, by the network's name: `sbxb` and 10 hex digits. */
export function bridgeName(network: string): string {
  return `${linkPrefix}b${digest('bridge', network).slice(0, 10)}`;
}

/** Interface name of the host end of a NIC, by the VM's address and the name of its network: `sbxt` and 10 hex digits. */
export function tapName(vm: string, nic: string): string {
  return `${linkPrefix}t${digest('tap', vm, nic).slice(0, 10)}`;
}

/** MAC address of a network's bridge: locally administered, and never the lowest of the bridge's ports by accident, since it is set. */
export function bridgeMac(network: string): string {
  const bytes = digest('bridge-mac', network).slice(0, 10).match(/../g) ?? [];
  return ['02', ...bytes].join(':');
}

/** Whether a link is ours, and which kind its name says. */
export function linkKind(ifname: string): 'bridge' | 'tap' | 'other' {
  if (!/^sbx[bt][0-9a-f]{10}$/.test(ifname)) return 'other';
  return ifname[linkPrefix.length] === 'b' ? 'bridge' : 'tap';
}

function digest(...parts: readonly string[]): string {
  return sha256Hex(parts.join('\0'));
}
