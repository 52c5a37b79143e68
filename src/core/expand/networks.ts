// Networks: explicit subnets first, then the ones of earlier applies, then private ones by hash of the name.
import { formatAddress } from '../address.ts';
import type { DesiredNetwork } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { quoted } from '../load/quote.ts';
import type { RawNetwork } from '../load/raw.ts';
import { quickHash } from '../quick-hash.ts';
import type { Context } from './context.ts';
import { formatIp, formatSubnet, networkOf, overlap, parseSubnet, type Subnet } from './ipv4.ts';
import { resolvedResource } from './resolved.ts';

/** A network with its numbers. */
export interface Network extends Subnet {
  readonly desired: DesiredNetwork;
  readonly gateway: number;
}

/** Ranges that guests cannot be in: special use, and the uplink's own. */
const reserved: readonly (readonly [Subnet, string])[] = [
  [{ base: 0, prefix: 8 }, '0.0.0.0/8 means this network'],
  [{ base: 127 * 2 ** 24, prefix: 8 }, '127.0.0.0/8 is the loopback'],
  [{ base: 169 * 2 ** 24 + 254 * 2 ** 16, prefix: 16 }, '169.254.0.0/16 is link-local'],
  [{ base: 224 * 2 ** 24, prefix: 3 }, '224.0.0.0 and above are not for hosts'],
  [{ base: 10 * 2 ** 24 + 2 * 2 ** 8, prefix: 24 }, '10.0.2.0/24 is what the uplink uses itself'],
];
const pool: Subnet = { base: 10 * 2 ** 24 + 64 * 2 ** 16, prefix: 12 };
const poolSize = 2 ** 12;

interface Taken {
  readonly name: string;
  readonly subnet: Subnet;
}

/** Fills `context.networks`; SBX2301, SBX2302. */
export function resolveNetworks(context: Context): void {
  const taken: Taken[] = [];
  const raws = new Map<string, RawNetwork>();
  for (const [name, written] of Object.entries(context.root.networks ?? {})) {
    context.networks.set(name, undefined);
    const raw = resolvedResource(context, 'network', ['networks', name], written);
    if (raw !== undefined && takeExplicit(context, name, raw, taken)) raws.set(name, raw);
  }
  for (const [name, raw] of raws) if (raw.subnet === undefined) takeSticky(context, name, taken);
  for (const [name, raw] of raws) {
    const subnet = taken.find((each) => each.name === name)?.subnet ?? takePrivate(name, taken);
    context.networks.set(name, networkFrom(context, name, raw, subnet));
  }
}

/** Whether the network can be: it leaves its subnet open, or names one that is good and free. */
function takeExplicit(context: Context, name: string, raw: RawNetwork, taken: Taken[]): boolean {
  if (raw.subnet === undefined) return true;
  const subnet = explicitSubnet(context, raw.subnet, ['networks', name, 'subnet']);
  if (subnet === undefined || overlaps(context, name, subnet, taken)) return false;
  taken.push({ name, subnet });
  return true;
}

function explicitSubnet(context: Context, text: string, path: Path): Subnet | undefined {
  const subnet = parseSubnet(text);
  const bad = (detail: string, hint?: string) => {
    context.reporter.report('SBX2301', path, hint === undefined ? { detail } : { detail, hint });
    return undefined;
  };
  if (subnet === undefined) return bad(`${quoted(text)} is not an IPv4 network.`, 'write one such as 10.68.0.0/24');
  if (subnet.prefix < 8 || subnet.prefix > 30) return bad(`The prefix must be from /8 to /30, not /${subnet.prefix}.`);
  const canonical = networkOf(subnet);
  if (canonical.base !== subnet.base)
    return bad(`${quoted(text)} is an address within a network.`, `did you mean "${formatSubnet(canonical)}"?`);
  const special = reserved.find(([range]) => overlap(range, subnet));
  return special === undefined ? subnet : bad(`${quoted(text)} cannot be used: ${special[1]}.`);
}

function overlaps(context: Context, name: string, subnet: Subnet, taken: readonly Taken[]): boolean {
  const other = taken.find((each) => overlap(each.subnet, subnet));
  if (other === undefined) return false;
  const at = context.reporter.place(['networks', other.name, 'subnet']);
  context.reporter.report('SBX2302', ['networks', name, 'subnet'], {
    detail: `${formatSubnet(subnet)} of "${name}" and ${formatSubnet(other.subnet)} of "${other.name}" overlap.`,
    ...(at === undefined ? {} : { related: [{ place: at, note: 'the other one' }] }),
  });
  return true;
}

function takeSticky(context: Context, name: string, taken: Taken[]): void {
  const before = context.inputs.allocations.subnets.get(formatAddress({ kind: 'network', name }));
  const subnet = before === undefined ? undefined : parseSubnet(before);
  if (subnet !== undefined && !taken.some((each) => overlap(each.subnet, subnet))) taken.push({ name, subnet });
}

function takePrivate(name: string, taken: Taken[]): Subnet {
  const first = quickHash(name) % poolSize;
  for (let step = 0; step < poolSize; step++) {
    const subnet = { base: pool.base + ((first + step) % poolSize) * 256, prefix: 24 };
    if (taken.some((each) => overlap(each.subnet, subnet))) continue;
    taken.push({ name, subnet });
    return subnet;
  }
  // The schema allows 256 networks; only explicit ones can cover the pool, and then this one overlaps inside the sandbox
  return { base: 192 * 2 ** 24 + 168 * 2 ** 16, prefix: 24 };
}

function networkFrom(context: Context, name: string, raw: RawNetwork, subnet: Subnet): Network {
  const gateway = subnet.base + 1;
  const mode = raw.mode === 'isolated' ? 'isolated' : 'nat';
  const path: Path = ['networks', name];
  const desired: DesiredNetwork = {
    kind: 'network',
    address: formatAddress({ kind: 'network', name }),
    place: () => context.reporter.place(path, 'key'),
    mode,
    subnet: formatSubnet(subnet),
    gateway: formatIp(gateway),
  };
  return { ...subnet, desired, gateway };
}
