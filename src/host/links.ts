// Bridges and taps inside a sandbox's namespace.
import { bug } from '../core/errors.ts';
import type { SpaceRef } from './namespace.ts';

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
}

/** Makes a bridge, or makes the one that is there what it should be. Its ports stay. */
export async function ensureBridge(space: SpaceRef, bridge: BridgeSpec): Promise<void> {
  bug(`not yet ${space.userns} ${bridge.ifname}`);
}

/** Removes a bridge; one that is not there is no error. */
export async function removeBridge(space: SpaceRef, ifname: string): Promise<void> {
  bug(`not yet ${space.userns} ${ifname}`);
}

/** Makes persistent taps as ports of their bridges, all in one go; a tap that is there is kept, since a VMM may hold it. */
export async function ensureTaps(space: SpaceRef, taps: readonly TapSpec[]): Promise<void> {
  bug(`not yet ${space.userns} ${taps.length}`);
}

/** Removes taps; those that are not there are no error. */
export async function removeTaps(space: SpaceRef, ifnames: readonly string[]): Promise<void> {
  bug(`not yet ${space.userns} ${ifnames.length}`);
}
