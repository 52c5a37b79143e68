// host.json: what the sandboxes of a home share. Today the ports of the host that they publish.
import type { Checked } from '../core/checked.ts';
import type { PublishedPort } from '../core/desired.ts';
import { bug } from '../core/errors.ts';
import type { Home } from './home.ts';

/** An end on the host. */
export type HostPort = Pick<PublishedPort, 'hostIp' | 'hostPort' | 'protocol'>;

/** Reserves ports for a sandbox, beside those it has; SBX4010 when another sandbox has one of them, and then none is reserved. */
export async function reservePorts(home: Home, sandboxId: string, ports: readonly HostPort[]): Promise<Checked<void>> {
  return bug(`${home.state} ${sandboxId} ${ports.length}`);
}

/** Gives ports up; without `ports` all that the sandbox has. Ports of others are left alone. */
export async function releasePorts(home: Home, sandboxId: string, ports?: readonly HostPort[]): Promise<void> {
  return bug(`${home.state} ${sandboxId} ${ports?.length}`);
}

/** Reserved ports `hostIp:hostPort/protocol` → sandbox id. Writes nothing; entries of sandboxes without a state are left out. */
export async function readReservations(home: Home): Promise<Checked<ReadonlyMap<string, string>>> {
  return bug(home.state);
}
