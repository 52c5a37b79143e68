// Bridges and taps inside a sandbox's namespace: made in batches, judged by what is there.
import { SbxError } from '../core/errors.ts';
import { tryRun } from './exec.ts';
import { readSomeLinks } from './link-table.ts';
import { programPath } from './programs.ts';
import { enterArgv, type SpaceRef } from './space-ref.ts';

const defaultMtu = 1500;

export interface BridgeSpec {
  readonly ifname: string;
  /** IPv4 address of the gateway, and its prefix length */
  readonly address: string;
  readonly prefix: number;
  readonly mac: string;
  /** Default 1500 */
  readonly mtu?: number;
}

export interface TapSpec {
  readonly ifname: string;
  /** Interface name of the bridge that it is a port of */
  readonly bridge: string;
  /** Uid, as seen inside the namespace, that may open it: 0, unless a VMM runs as somebody else */
  readonly ownerUid: number;
  /** Who answers at an address behind it. The namespace then asks nobody, and believes nobody else */
  readonly neighbour?: { readonly ip: string; readonly mac: string };
}

/** Makes a bridge, or makes the one that is there what it should be. Its ports stay. Throws SBX6004. */
export async function ensureBridge(space: SpaceRef, bridge: BridgeSpec): Promise<void> {
  const { ifname, address, prefix, mac, mtu = defaultMtu } = bridge;
  // A MAC of its own: else it takes that of a port, and changes with it. Without stp a port forwards at once.
  const words = `type bridge stp_state 0 mcast_snooping 0`;
  const made = (await readSomeLinks(space, [ifname]))[ifname] !== undefined;
  const there = made ? await readAddresses(space, ifname) : undefined;
  await batch(space, [
    ...(made ? [] : [`link add name ${ifname} address ${mac} ${words}`]),
    // Also when it changes nothing, setting it makes the kernel forget who answers at which address behind it.
    ...(made && there?.mac !== mac ? [`link set dev ${ifname} address ${mac}`] : []),
    ...(there?.ips ?? []).flatMap((ip) => (ip === `${address}/${prefix}` ? [] : [`addr del ${ip} dev ${ifname}`])),
    `addr replace ${address}/${prefix} dev ${ifname}`,
    // After it was made: until it is set by hand, the MTU follows the smallest port.
    `link set dev ${ifname} mtu ${mtu} up`,
  ]);
}

/** Removes a bridge; one that is not there is no error. */
export async function removeBridge(space: SpaceRef, ifname: string): Promise<void> {
  await removeLinks(space, [ifname]);
}

/** Makes persistent taps as ports of their bridges, all in one go; a tap that is there is kept, since a VMM may hold it. Throws SBX6004. */
export async function ensureTaps(space: SpaceRef, taps: readonly TapSpec[]): Promise<void> {
  const links = await readSomeLinks(
    space,
    taps.map(({ ifname }) => ifname),
  );
  const lines = taps.flatMap(({ ifname, bridge, ownerUid, neighbour }) => [
    // Without a user anybody in the namespace could open it.
    ...(links[ifname] === undefined ? [`tuntap add dev ${ifname} mode tap vnet_hdr user ${ownerUid}`] : []),
    ...(links[ifname]?.master === bridge ? [] : [`link set dev ${ifname} master ${bridge}`]),
    `link set dev ${ifname} up`,
    // Whoever had the address before is forgotten, and no other guest can claim it.
    ...(neighbour === undefined
      ? []
      : [`neigh replace ${neighbour.ip} lladdr ${neighbour.mac} dev ${bridge} nud permanent`]),
  ]);
  await batch(space, lines);
}

/** Removes taps, and who answered behind them; what is not there is no error. */
export async function removeTaps(
  space: SpaceRef,
  ifnames: readonly string[],
  neighbours: readonly { readonly bridge: string; readonly ip: string }[] = [],
): Promise<void> {
  const bridges = await readSomeLinks(space, [...new Set(neighbours.map(({ bridge }) => bridge))]);
  const known = neighbours.filter(({ bridge }) => bridges[bridge] !== undefined);
  // A flush of what is not there succeeds, a deletion does not.
  const lines = known.map(({ bridge, ip }) => `neigh flush to ${ip}/32 dev ${bridge} nud permanent`);
  await removeLinks(space, ifnames, lines);
}

async function removeLinks(space: SpaceRef, ifnames: readonly string[], before: readonly string[] = []): Promise<void> {
  const there = Object.keys(await readSomeLinks(space, ifnames));
  const [first] = there;
  const links = first === undefined ? [] : there.length === 1 ? [`link del dev ${first}`] : removalAsGroup(there);
  try {
    await batch(space, [...before, ...links]);
  } catch (error) {
    // Somebody else may have been faster; what counts is that they are gone.
    if (Object.keys(await readSomeLinks(space, ifnames)).length > 0) throw error;
  }
}

/** The kernel waits once for a group, and once for every link that is removed alone: 200 are 0.5 s instead of 4 s. */
function removalAsGroup(ifnames: readonly string[]): readonly string[] {
  const group = 1 + Math.floor(Math.random() * 0x7fff_fffe);
  return [...ifnames.map((ifname) => `link set dev ${ifname} group ${group}`), `link del group ${group}`];
}

/** MAC address and IPv4 addresses of a link, as far as they can be read. */
async function readAddresses(
  space: SpaceRef,
  ifname: string,
): Promise<{ readonly mac: string | undefined; readonly ips: readonly string[] }> {
  const argv = enterArgv(space)([programPath('ip'), '-j', 'addr', 'show', 'dev', ifname]);
  const { stdout } = await tryRun(argv, { timeoutMs: 10_000 });
  return {
    mac: /"address":"([0-9a-f:]+)"/.exec(stdout)?.[1],
    ips: [...stdout.matchAll(/"family":"inet","local":"([0-9.]+)","prefixlen":(\d+)/g)].map(
      ([, ip = '', prefix = '']) => `${ip}/${prefix}`,
    ),
  };
}

async function batch(space: SpaceRef, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const argv = enterArgv(space)([programPath('ip'), '-batch', '-']);
  const done = await tryRun(argv, { input: `${lines.join('\n')}\n` });
  if (done.code === 0) return;
  const line = lines[Number(/-:(\d+)/.exec(done.stderr)?.[1] ?? 0) - 1];
  throw new SbxError('SBX6004', `ip ${line ?? '-batch'}: ${done.stderr.trim().split('\n')[0] ?? ''}`);
}
