// Published ports: what the file fixes first, then what `auto` picks.
import type { Address } from '../address.ts';
import type { PublishedPort } from '../desired.ts';
import { portsOverlap } from '../host-ports.ts';
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
const spec = /^(?:(?:(\[[0-9a-f:.]+\]|\d+\.\d+\.\d+\.\d+):)?(\d+(?:-\d+)?|auto):)?(\d+(?:-\d+)?)(?:\/(tcp|udp))?$/;

/** Ports of VMs, by VM and network. */
export interface Publisher {
  /** The ports of a VM on a network; a failure is reported already, but for circles */
  readonly portsOf: (instance: Instance, network: string) => readonly PublishedPort[];
  /** Whether a VM publishes ports on a network that are not known yet */
  readonly isOpen: (instance: Instance, network: string) => boolean;
  /** Works all ports out, when no reference did yet */
  readonly ready: () => Evaluated;
}

/** One item of a list of ports: `count` ports side by side. */
interface Span {
  readonly first: Wish;
  readonly count: number;
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
  const spans = instances.flatMap((instance) => spansOf(context, instance));
  const total = spans.reduce((sum, { count }) => sum + count, 0);
  // Before they are made: a range is a short word for many.
  if (total > mostPorts) {
    context.reporter.report('SBX2401', ['vms'], {
      detail: `The file publishes ${total} ports; up to ${mostPorts} are possible.`,
    });
    return;
  }
  const wishes = spans.flatMap(wishesOf);
  const claims = new Map<string, Wish[]>();
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

function wishesOf({ first, count }: Span): readonly Wish[] {
  const { hostPort, guestPort } = first;
  return Array.from({ length: count }, (_, at) => ({
    ...first,
    hostPort: hostPort === 'auto' ? hostPort : hostPort + at,
    guestPort: guestPort + at,
  }));
}

function spansOf(context: Context, instance: Instance): readonly Span[] {
  const spans: Span[] = [];
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
      const span = spanOf(context, instance, network, item, [...path, at]);
      if (span !== undefined) spans.push(span);
    });
  }
  return spans;
}

function listOf(context: Context, found: RawValue | undefined, path: Path): readonly RawValue[] {
  if (Array.isArray(found)) return found;
  if (found !== undefined)
    context.reporter.report('SBX2401', path, { detail: `Ports are a list, not ${quoted(found)}.` });
  return [];
}

function spanOf(context: Context, instance: Instance, network: string, item: RawValue, path: Path): Span | undefined {
  const refuse = (code: 'SBX2401' | 'SBX2403', detail: string, hint: string) => {
    context.reporter.report(code, path, { detail, hint });
    return undefined;
  };
  const [, ip = '127.0.0.1', host, guest = '', protocol] = spec.exec(String(item)) ?? [];
  const guests = rangeOf(guest);
  const hosts = host === 'auto' ? host : rangeOf(host ?? guest);
  const hostIp = ip.replace(/^\[|\]$/g, '');
  const example = 'write one such as 80, "8080:80", "8080:80/udp", "auto:80" or "3000-3002:3000-3002"';
  if (guests === undefined || hosts === undefined)
    return refuse(
      'SBX2401',
      `${quoted(item)} is not a port${guest.includes('-') ? ' or range of ports' : ''}.`,
      example,
    );
  if (hosts !== 'auto' && hosts.count !== guests.count)
    return refuse(
      'SBX2401',
      `${quoted(item)} leads ${hosts.count} ports of this host to ${guests.count} of the guest.`,
      'make both ranges of the same length',
    );
  if (!hostIp.includes(':') && parseIp(hostIp) === undefined)
    return refuse('SBX2401', `${quoted(hostIp)} is not an address of a host.`, example);
  if (hostIp !== '127.0.0.1' && hostIp !== '::1' && !context.inputs.allowPublicPorts)
    return refuse(
      'SBX2403',
      `${quoted(item)} would let other machines reach this guest through ${hostIp}.`,
      'if that is meant, allow it with --allow-public-ports',
    );
  const hostPort = hosts === 'auto' ? hosts : hosts.first;
  const ends = { hostIp, hostPort, guestPort: guests.first, protocol: protocol === 'udp' ? 'udp' : 'tcp' } as const;
  return { first: { instance, network, ...ends, path }, count: guests.count };
}

/** `80`, or `3000-3002`, both ends included. */
function rangeOf(text: string): { readonly first: number; readonly count: number } | undefined {
  const [first = Number.NaN, last = first] = text.split('-').map(Number);
  return isPort(first) && isPort(last) && first <= last ? { first, count: last - first + 1 } : undefined;
}

function isPort(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_535;
}

/** Takes a host port; gives the wish that has it already, if any. */
function claim(claims: Map<string, Wish[]>, wish: Wish, port: number): Wish | undefined {
  const key = `${port}/${wish.protocol}`;
  const list = claims.get(key) ?? [];
  const wanted = { ...wish, hostPort: port };
  const other = list.find(({ hostIp }) => portsOverlap({ ...wanted, hostIp }, wanted));
  if (other !== undefined) return other;
  claims.set(key, list);
  list.push(wish);
  return undefined;
}

function claimOrReport(context: Context, claims: Map<string, Wish[]>, wish: Wish, port: number): boolean {
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

function pick(context: Context, claims: Map<string, Wish[]>, wish: Wish): number | undefined {
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
