// What earlier applies chose for values that the file leaves open: addresses, subnets, host ports.
import type { Allocations } from '../core/desired.ts';
import type { State } from '../core/state/state.ts';
import { forwardKey } from '../core/uplink-ports.ts';

/** Allocations of a state. `taken` is asked only for ports that sbx is to pick. */
export function allocationsOf(state: State | undefined, taken: () => ReadonlySet<string>): Allocations {
  const addresses = new Map<string, string>();
  const subnets: Map<Parameters<Allocations['subnets']['get']>[0], string> = new Map();
  const ports = new Map<string, number>();
  const ours = new Set<string>();
  for (const record of state?.resources ?? []) {
    if (record.kind === 'network') subnets.set(record.address, record.attrs.subnet);
    if (record.kind === 'vm') {
      for (const [name, nic] of Object.entries(record.attrs.nics)) addresses.set(`${record.address}/${name}`, nic.ip);
    }
    if (record.kind !== 'sandbox') continue;
    for (const forward of record.attrs.forwards) {
      ports.set(`${forward.vm}/${forward.network}/${forward.guestPort}/${forward.protocol}`, forward.hostPort);
      ours.add(forwardKey(forward));
    }
  }
  return {
    addresses,
    subnets,
    ports,
    portTaken: (hostIp, hostPort, protocol) => {
      const key = forwardKey({ hostIp, hostPort, protocol });
      return !ours.has(key) && (taken().has(key) || taken().has(`0.0.0.0:${hostPort}/${protocol}`));
    },
  };
}
