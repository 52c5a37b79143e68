// What a resource has alone: addresses, MAC addresses, host ports and volumes of VMs, subnets of networks, ports of the sandbox.
import type { PublishedPort } from '../desired.ts';
import { networkOf, overlap, parseSubnet, type Subnet } from '../expand/ipv4.ts';
import { type HostPort, portsOverlap } from '../host-ports.ts';
import type { DiskAttrs, NicAttrs, VmAttrs } from '../state/attrs.ts';
import type { Attrs } from '../state/state.ts';
import type { StepAction } from './steps.ts';

/** Something that only one can have at a time. */
export interface Holding {
  /** In words for users, after "the". Two holdings with different ones never clash, see `clash` for those with the same */
  readonly thing: string;
  /** The disk or NIC that it belongs to */
  readonly part?: string;
  /** For ports: a wildcard takes other addresses of the host with it */
  readonly port?: HostPort;
  /** For networks: one may contain another */
  readonly subnet?: Subnet;
  /** Whether it is only read, beside others that only read */
  readonly shared?: boolean;
}

/** What a resource has while it is as its attributes say. */
export function holdingsOf(attrs: Attrs): readonly Holding[] {
  if ('nics' in attrs) return ofVm(attrs);
  if ('gateway' in attrs) return ofSubnet(attrs.gateway, Number(attrs.subnet.slice(attrs.subnet.indexOf('/') + 1)));
  return 'forwards' in attrs ? attrs.forwards.map(ofPort) : [];
}

/** What a step takes. */
export function takenBy(action: StepAction): readonly Holding[] {
  switch (action.op) {
    case 'vm.start':
      return ofVm(action.attrs);
    case 'vm.tap':
      return ofNic(action.nic, action);
    case 'vm.disk-attach':
      return ofDisk(action.disk, action.attrs.disks[action.disk]);
    case 'network.ensure':
      return ofSubnet(action.gateway, action.prefix);
    case 'sandbox.rules':
      return action.attrs.forwards.map(ofPort);
    default:
      return [];
  }
}

/** Whether a step lets go of something that its resource has. */
export function letsGo(action: StepAction, { part, port, subnet }: Holding): boolean {
  switch (action.op) {
    case 'vm.stop':
      return true;
    case 'vm.disk-detach':
      return action.disk === part && port === undefined;
    case 'vm.tap-remove':
      return action.nic === part && port === undefined;
    case 'network.ensure':
    case 'network.remove':
      return subnet !== undefined;
    case 'sandbox.rules':
    case 'sandbox.uplink-stop':
    case 'sandbox.close':
      return port !== undefined;
    default:
      return false;
  }
}

/** Whether two holdings of the same thing cannot be had at the same time. */
export function clash(a: Holding, b: Holding): boolean {
  if (a.shared === true && b.shared === true) return false;
  if (a.port !== undefined && b.port !== undefined) return portsOverlap(a.port, b.port);
  return a.subnet === undefined || b.subnet === undefined || overlap(a.subnet, b.subnet);
}

function ofVm({ nics, disks }: VmAttrs): readonly Holding[] {
  return [
    ...Object.entries(nics).flatMap(([name, nic]) => [...ofNic(name, nic), ...nic.forwards.map(ofPort)]),
    ...Object.entries(disks).flatMap(([name, disk]) => ofDisk(name, disk)),
  ];
}

function ofNic(part: string, { network, ip, mac }: Pick<NicAttrs, 'network' | 'ip' | 'mac'>): readonly Holding[] {
  return [
    { thing: `address ${ip} on ${network}`, part },
    { thing: `MAC address ${mac}`, part },
  ];
}

function ofDisk(part: string, disk: DiskAttrs | undefined): readonly Holding[] {
  if (disk?.type !== 'volume') return [];
  return [{ thing: `volume ${disk.volume}`, part, shared: disk.readonly }];
}

function ofPort({ hostIp, hostPort, protocol }: PublishedPort): Holding {
  return { thing: `port ${hostPort}/${protocol} of this host`, port: { hostIp, hostPort, protocol } };
}

function ofSubnet(gateway: string, prefix: number): readonly Holding[] {
  const subnet = parseSubnet(`${gateway}/${prefix}`);
  return subnet === undefined ? [] : [{ thing: 'subnet', subnet: networkOf(subnet) }];
}
