// What earlier applies chose for values that the file leaves open: addresses, subnets, host ports.
import type { Address } from '../core/address.ts';
import type { Allocations, PublishedPort } from '../core/desired.ts';
import { type PortIndex, portIndex } from '../core/host-ports.ts';
import type { State } from '../core/state/state.ts';
import { forwardKey } from '../core/uplink-ports.ts';

/** What of this host counts when a port is picked. */
export interface PortsInUse {
  /** Ports of other sandboxes, as `forwardKey` writes them */
  readonly reserved: ReadonlyMap<string, string>;
  /** Ports that anybody listens on or has reserved. Asked only for ports that sbx is to pick */
  readonly taken: () => ReadonlySet<string>;
  readonly salt: string;
}

/** Allocations of a state. */
export function allocationsOf(state: State | undefined, { reserved, taken, salt }: PortsInUse): Allocations {
  const addresses = new Map<string, string>();
  const subnets: Map<Parameters<Allocations['subnets']['get']>[0], string> = new Map();
  const ports = new Map<string, number>();
  const ours = new Set<string>();
  const others = portIndex(reserved.keys());
  for (const { vm, network, port } of publishedPorts(state)) {
    // Another sandbox was faster, and the apply that chose this port could not have it.
    if (others.conflict(port) !== undefined) continue;
    ports.set(`${vm}/${network}/${port.guestPort}/${port.protocol}`, port.hostPort);
    ours.add(forwardKey(port));
  }
  for (const record of state?.resources ?? []) {
    if (record.kind === 'network') subnets.set(record.address, record.attrs.subnet);
    if (record.kind !== 'vm') continue;
    for (const [name, nic] of Object.entries(record.attrs.nics)) addresses.set(`${record.address}/${name}`, nic.ip);
  }
  let inUse: PortIndex | undefined;
  return {
    addresses,
    subnets,
    ports,
    salt,
    portTaken: (hostIp, hostPort, protocol) => {
      inUse ??= portIndex(taken(), ours);
      return inUse.conflict({ hostIp, hostPort, protocol }) !== undefined;
    },
  };
}

interface Published {
  readonly vm: Address;
  readonly network: string;
  readonly port: PublishedPort;
}

/** Ports as recorded: with the sandbox, or with each VM where namespaces are forbidden and VMs publish them themselves. */
function publishedPorts(state: State | undefined): readonly Published[] {
  return (state?.resources ?? []).flatMap((record): readonly Published[] => {
    if (record.kind === 'sandbox')
      return record.attrs.forwards.map((port) => ({ vm: port.vm, network: port.network, port }));
    if (record.kind !== 'vm') return [];
    return Object.entries(record.attrs.nics).flatMap(([network, { forwards }]) =>
      forwards.map((port) => ({ vm: record.address, network, port })),
    );
  });
}
