// Network backends, as command line words and as QMP arguments. Pure.
import type { NicSpec } from '../driver.ts';
import { netdevId } from './layout.ts';

type UserConnection = Extract<NicSpec['connection'], { type: 'user' }>;

/** Value of `-netdev` for a NIC. */
export function netdevOption(nic: NicSpec): string {
  const id = netdevId(nic.id);
  const { connection } = nic;
  // Without script=no QEMU runs a script of the distribution.
  if (connection.type === 'tap') return `tap,id=${id},ifname=${connection.ifname},script=no,downscript=no`;
  const words = Object.entries(userNetwork(connection)).map(([key, value]) => `${key}=${value}`);
  return ['user', `id=${id}`, ...words, ...forwardsOf(connection).map((forward) => `hostfwd=${forward}`)].join(',');
}

/** Arguments of `netdev_add` for a NIC. */
export function netdevArguments(nic: NicSpec): Readonly<Record<string, unknown>> {
  const id = netdevId(nic.id);
  const { connection } = nic;
  if (connection.type === 'tap') return { type: 'tap', id, ifname: connection.ifname, script: 'no', downscript: 'no' };
  const { restrict, ...words } = userNetwork(connection);
  const closed = restrict === undefined ? {} : { restrict: true };
  return { type: 'user', id, ...words, ...closed, hostfwd: forwardsOf(connection).map((str) => ({ str })) };
}

/** The user network takes the guest's own subnet, so that one address serves in both kinds of connectivity. */
function userNetwork(connection: UserConnection): Readonly<Record<string, string>> {
  const { guest, isolated } = connection;
  // Else every address of its subnet but the resolver's leads to 127.0.0.1 of this host, and there is no switch against that alone.
  const closed = isolated ? { restrict: 'on' } : {};
  if (guest === undefined) return closed;
  const network = networkOf(guest.ip, guest.prefix);
  const resolver = [2, 3, 4]
    .map((fromEnd) => formatIp(network + 2 ** (32 - guest.prefix) - fromEnd))
    .find((ip) => ip !== guest.ip && ip !== guest.gateway && ip !== formatIp(network));
  return {
    ...closed,
    net: `${formatIp(network)}/${guest.prefix}`,
    host: guest.gateway,
    dhcpstart: guest.ip,
    // A subnet of two hosts has no room for one: QEMU then puts it where nobody can ask it.
    ...(resolver === undefined ? {} : { dns: resolver }),
  };
}

function forwardsOf(connection: UserConnection): readonly string[] {
  const ip = connection.guest?.ip ?? '';
  return connection.forwards.map(
    ({ protocol, hostIp, hostPort, guestPort }) => `${protocol}:${hostIp}:${hostPort}-${ip}:${guestPort}`,
  );
}

function networkOf(ip: string, prefix: number): number {
  const value = ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - prefix);
  return Math.floor(value / size) * size;
}

function formatIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
