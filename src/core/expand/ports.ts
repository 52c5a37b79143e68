// Published ports: what the file fixes first, then what `auto` picks.
import type { Address } from '../address.ts';
import type { PublishedPort } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { quoted } from '../load/quote.ts';
import { own, type RawValue } from '../load/raw.ts';
import { quickHash } from '../quick-hash.ts';
import { cell, known } from './cells.ts';
import type { Context, Evaluated, Instance } from './context.ts';
import { parseIp } from './ipv4.ts';
import { holdsReference, substituteOpen } from './substitute.ts';

const firstAuto = 20_000;
const autoCount = 10_000;
const mostPorts = 10_000;
const spec = /^(?:(?:(\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+):)?(\d+|auto):)?(\d+)(?:\/(tcp|udp))?$/;

/** Ports of VMs, by VM and network. */
export interface Publisher {
  /** The ports of a VM on a network; a failure is reported already, but for circles */
  readonly portsOf: (instance: Instance, network: string) => readonly PublishedPort[];
  /** Whether a VM publishes ports on a network that are not known yet */
  readonly isOpen: (instance: Instance, network: string) => boolean;
  /** Works all ports out, when no reference did yet */
  readonly ready: () => Evaluated;
}

interface Wish {
  readonly instance: Instance;
  readonly network: string;
  readonly hostIp: string;
  readonly hostPort: number | 'auto';
  readonly guestPort: number;
  readonly protocol: 'tcp' | 'udp';
  readonly path: Path;
}

interface Claim {
  readonly hostIp: string;
  readonly wish: Wish;
}

/** Makes the publisher; ports are worked out when the first one is asked for. SBX2401 to SBX2405. */
export function publisherFor(context: Context, instances: readonly Instance[]): Publisher {
  const table: Table = new Map();
  const ready = () =>
    cell(context, 'published ports', () => {
      publish(context, instances, table);
      return known(true);
    });
  return {
    ready,
    portsOf: (instance, network) => table.get(instance.address)?.get(network) ?? [],
    isOpen: ({ group }, network) =>
      context.inputs.unknownVariables === true && holdsReference(own(group.raw.networks, network)?.ports),
  };
}

type Table = Map<Address, Map<string, PublishedPort[]>>;

function publish(context: Context, instances: readonly Instance[], table: Table): void {
  const wishes = instances.flatMap((instance) => wishesOf(context, instance));
  if (wishes.length > mostPorts) {
    context.reporter.report('SBX2401', ['vms'], {
      detail: `The file publishes ${wishes.length} ports; up to ${mostPorts} are possible.`,
    });
    return;
  }
  const claims = new Map<string, Claim[]>();
  const given = new Map<Wish, number>();
  const autos = wishes.filter((wish) => wish.hostPort === 'auto');
  for (const wish of wishes)
    if (wish.hostPort !== 'auto' && claimOrReport(context, claims, wish, wish.hostPort)) given.set(wish, wish.hostPort);
  for (const wish of autos) {
    const before = context.inputs.allocations.ports.get(allocationKey(wish));
    if (before !== undefined && claim(claims, wish, before) === undefined) given.set(wish, before);
  }
  for (const wish of autos) {
    const port = given.get(wish) ?? pick(context, claims, wish);
    if (port !== undefined) given.set(wish, port);
  }
  for (const wish of wishes) enter(table, wish, given.get(wish));
}

function enter(table: Table, wish: Wish, hostPort: number | undefined): void {
  if (hostPort === undefined) return;
  const { hostIp, guestPort, protocol } = wish;
  const networks = table.get(wish.instance.address) ?? new Map<string, PublishedPort[]>();
  table.set(wish.instance.address, networks);
  const ports = networks.get(wish.network) ?? [];
  networks.set(wish.network, ports);
  ports.push({ hostIp, hostPort, guestPort, protocol });
}

function allocationKey({ instance, network, guestPort, protocol }: Wish): string {
  return `${instance.address}/${network}/${guestPort}/${protocol}`;
}

function wishesOf(context: Context, instance: Instance): readonly Wish[] {
  const wishes: Wish[] = [];
  const networks = instance.group.raw.networks ?? {};
  for (const network of Object.keys(networks)) {
    const ports = networks[network]?.ports;
    if (ports === undefined) continue;
    const path: Path = ['vms', instance.group.name, 'networks', network, 'ports'];
    const list = listOf(context, substituteOpen(context, { instance }, ports as RawValue, path), path);
    if (list.length > 0 && context.networks.get(network)?.desired.mode === 'isolated') {
      context.reporter.report('SBX2404', path, {
        detail: `Network "${network}" is isolated, so that nothing outside reaches its VMs.`,
        hint: 'publish the port on a network of mode nat',
      });
      continue;
    }
    list.forEach((item: RawValue, at: number) => {
      const wish = wishOf(context, instance, network, item, [...path, at]);
      if (wish !== undefined) wishes.push(wish);
    });
  }
  return wishes;
}

function listOf(context: Context, found: RawValue | undefined, path: Path): readonly RawValue[] {
  if (Array.isArray(found)) return found;
  if (found !== undefined)
    context.reporter.report('SBX2401', path, { detail: `Ports are a list, not ${quoted(found)}.` });
  return [];
}

function wishOf(context: Context, instance: Instance, network: string, item: RawValue, path: Path): Wish | undefined {
  const refuse = (code: 'SBX2401' | 'SBX2403', detail: string, hint: string) => {
    context.reporter.report(code, path, { detail, hint });
    return undefined;
  };
  const [, ip = '127.0.0.1', host, guest = '', protocol] = spec.exec(String(item)) ?? [];
  const guestPort = Number(guest);
  const hostPort = host === 'auto' ? host : Number(host ?? guest);
  const hostIp = ip.replace(/^\[|\]$/g, '');
  const example = 'write one such as 80, "8080:80", "8080:80/udp" or "auto:80"';
  if (!isPort(guestPort) || (hostPort !== 'auto' && !isPort(hostPort)))
    return refuse('SBX2401', `${quoted(item)} is not a port.`, example);
  if (!hostIp.includes(':') && parseIp(hostIp) === undefined)
    return refuse('SBX2401', `${quoted(hostIp)} is not an address of a host.`, example);
  if (hostIp !== '127.0.0.1' && hostIp !== '::1' && !context.inputs.allowPublicPorts)
    return refuse(
      'SBX2403',
      `${quoted(item)} would let other machines reach this guest through ${hostIp}.`,
      'if that is meant, allow it with --allow-public-ports',
    );
  return { instance, network, hostIp, hostPort, guestPort, protocol: protocol === 'udp' ? 'udp' : 'tcp', path };
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function isWildcard(ip: string): boolean {
  return ip === '0.0.0.0' || ip === '::';
}

/** Takes a host port; gives the wish that has it already, if any. */
function claim(claims: Map<string, Claim[]>, wish: Wish, port: number): Wish | undefined {
  const key = `${port}/${wish.protocol}`;
  const list = claims.get(key) ?? [];
  const other = list.find(({ hostIp }) => hostIp === wish.hostIp || isWildcard(hostIp) || isWildcard(wish.hostIp));
  if (other !== undefined) return other.wish;
  claims.set(key, list);
  list.push({ hostIp: wish.hostIp, wish });
  return undefined;
}

function claimOrReport(context: Context, claims: Map<string, Claim[]>, wish: Wish, port: number): boolean {
  // There may be none of it
  if (wish.instance.group.open) return true;
  const other = claim(claims, wish, port);
  if (other === undefined) return true;
  context.reporter.report('SBX2402', wish.path, {
    detail: `${wish.instance.address} and ${other.instance.address} both publish on ${wish.hostIp}:${port}/${wish.protocol}.`,
    hint: `let sbx pick a free one: "auto:${wish.guestPort}"`,
  });
  return false;
}

function pick(context: Context, claims: Map<string, Claim[]>, wish: Wish): number | undefined {
  // A range that is full once stays full
  const full = `full ${wish.hostIp} ${wish.protocol}`;
  const start = quickHash(`${context.inputs.allocations.salt ?? ''} ${allocationKey(wish)}`);
  for (let step = 0; step < autoCount && !claims.has(full); step++) {
    const port = firstAuto + ((start + step) % autoCount);
    if (context.inputs.allocations.portTaken(wish.hostIp, port, wish.protocol)) continue;
    if (claim(claims, wish, port) === undefined) return port;
  }
  claims.set(full, []);
  context.reporter.report('SBX2405', wish.path, {
    detail: `Every ${wish.protocol} port from ${firstAuto} to ${firstAuto + autoCount - 1} of ${wish.hostIp} is taken.`,
  });
  return undefined;
}
