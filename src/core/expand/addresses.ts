// Addresses of VMs on a network: explicit ones first, then the ones of earlier applies, then the lowest free from .10.
import type { Address } from '../address.ts';
import type { Path } from '../load/document.ts';
import { quoted } from '../load/quote.ts';
import { own } from '../load/raw.ts';
import { cell, known } from './cells.ts';
import type { Context, Evaluated, Instance } from './context.ts';
import { formatIp, parseIp, sizeOf } from './ipv4.ts';
import type { Network } from './networks.ts';
import { substituteOpen } from './substitute.ts';

const firstHost = 10;

/** Addresses of the VMs on each network, and who is on it. */
export interface Allocator {
  /** The address of a VM on a network; a failure is reported already, but for circles */
  readonly addressOn: (instance: Instance, network: string) => Evaluated;
}

/** Makes the allocator; a network is worked out when the first address on it is asked for. SBX2303 to SBX2305. */
export function allocatorFor(context: Context, instances: readonly Instance[]): Allocator {
  const members = membersOf(instances);
  const tables = new Map<string, ReadonlyMap<Address, string>>();
  return {
    addressOn: (instance, name) => {
      const text = tables.get(name)?.get(instance.address);
      if (text !== undefined) return known(text);
      const network = context.networks.get(name);
      if (network === undefined) return { ok: false };
      const made = cell(context, `network.${name} addresses`, () => {
        tables.set(name, allocate(context, name, network, members.get(name) ?? []));
        return known(true);
      });
      if (!made.ok) return made;
      const given = tables.get(name)?.get(instance.address);
      return given === undefined ? { ok: false } : known(given);
    },
  };
}

function membersOf(instances: readonly Instance[]): Map<string, Instance[]> {
  const members = new Map<string, Instance[]>();
  for (const instance of instances) {
    for (const name of Object.keys(instance.group.raw.networks ?? {})) {
      const list = members.get(name);
      if (list === undefined) members.set(name, [instance]);
      else list.push(instance);
    }
  }
  return members;
}

function allocate(
  context: Context,
  name: string,
  network: Network,
  members: readonly Instance[],
): ReadonlyMap<Address, string> {
  const taken = new Map<number, Instance>();
  const table = new Map<Address, string>();
  const give = (instance: Instance, ip: number) => {
    // There may be none of it
    if (!instance.group.open) taken.set(ip, instance);
    table.set(instance.address, formatIp(ip));
  };
  const open: Instance[] = [];
  for (const instance of members) {
    const written = own(instance.group.raw.networks, name)?.address;
    if (written === undefined) open.push(instance);
    else {
      const ip = explicitAddress(context, instance, name, network, written, taken);
      if (ip !== undefined) give(instance, ip);
    }
  }
  const left = open.filter((instance) => {
    const ip = parseIp(context.inputs.allocations.addresses.get(`${instance.address}/${name}`) ?? '');
    if (ip === undefined || taken.has(ip) || !isHost(network, ip)) return true;
    give(instance, ip);
    return false;
  });
  const next = freeAddresses(network, taken);
  for (const instance of left) {
    const ip = next();
    if (ip !== undefined) give(instance, ip);
    else
      context.reporter.report('SBX2305', ['networks', name], {
        detail: `${network.desired.subnet} has room for ${sizeOf(network) - 3} VMs, and ${members.length} want an address.`,
        hint: 'choose a shorter prefix, such as /16',
      });
  }
  return table;
}

function isHost(network: Network, ip: number): boolean {
  return ip > network.gateway && ip < network.base + sizeOf(network) - 1;
}

function explicitAddress(
  context: Context,
  instance: Instance,
  name: string,
  network: Network,
  written: string,
  taken: ReadonlyMap<number, Instance>,
): number | undefined {
  const path: Path = ['vms', instance.group.name, 'networks', name, 'address'];
  const text = substituteOpen(context, { instance }, written, path);
  if (text === undefined) return undefined;
  const ip = parseIp(String(text));
  if (ip === undefined || !isHost(network, ip)) {
    const { subnet, gateway } = network.desired;
    const detail = `${quoted(text)} is not an address for a VM on "${name}": ${subnet}, gateway ${gateway}.`;
    context.reporter.report('SBX2303', path, { detail });
    return undefined;
  }
  const other = instance.group.open ? undefined : taken.get(ip);
  if (other === undefined) return ip;
  const at = context.reporter.place(['vms', other.group.name, 'networks', name, 'address']);
  context.reporter.report('SBX2304', path, {
    detail: `${instance.address} and ${other.address} both have ${formatIp(ip)} on "${name}".`,
    ...(at === undefined || other.group === instance.group ? {} : { related: [{ place: at, note: 'the other one' }] }),
  });
  return undefined;
}

/** Free addresses from .10 upward, then from below it. */
function freeAddresses(network: Network, taken: ReadonlyMap<number, unknown>): () => number | undefined {
  const lowest = network.gateway + 1;
  const beyond = network.base + sizeOf(network) - 1;
  const start = network.base + firstHost < beyond ? network.base + firstHost : lowest;
  let left = beyond - lowest;
  let at = start;
  return () => {
    while (left > 0) {
      const ip = at;
      left -= 1;
      at = at + 1 === beyond ? lowest : at + 1;
      if (!taken.has(ip)) return ip;
    }
    return undefined;
  };
}
