// The world as it would be if a file had been applied: what a plan between two revisions of a file starts from.
import type { Address } from '../address.ts';
import { formatAddress, shortName } from '../address.ts';
import type { Desired, DesiredImage } from '../desired.ts';
import { canonicalJson } from '../json.ts';
import { bridgeName, tapName } from '../link-names.ts';
import type {
  HostFacts,
  ImageObservation,
  Observed,
  SandboxObservation,
  VmObservation,
  VolumeObservation,
} from '../observed.ts';
import type { SandboxAttrs, VmAttrs } from '../state/attrs.ts';
import type { ResourceRecord, State } from '../state/state.ts';
import { forwardName } from '../uplink-ports.ts';
import { noOptions, type PlanInputs, type RulesTable } from './context.ts';
import { recordedOutputs } from './outputs.ts';
import type { DriverChoice } from './plan.ts';
import { planSandbox } from './planner.ts';

/** A host that stands in nobody's way. */
const boundlessHost: HostFacts = {
  connectivity: 'namespace',
  cpus: Number.MAX_SAFE_INTEGER,
  memoryAvailableBytes: Number.MAX_SAFE_INTEGER,
  diskAvailableBytes: Number.MAX_SAFE_INTEGER,
  missing: [],
  listeners: new Set(),
  reserved: new Map(),
};

const noSandbox: SandboxObservation = {
  namespace: 'absent',
  holder: 'absent',
  uplink: 'absent',
  rules: 'unknown',
  forwards: [],
  links: {},
};

/** What such a host shows before the first apply. */
export const unapplied: Observed = {
  sandbox: noSandbox,
  images: new Map(),
  volumes: new Map(),
  vms: new Map(),
  host: boundlessHost,
};

export interface AppliedInputs {
  readonly desired: Desired;
  readonly driver: DriverChoice;
  readonly hash: (text: string) => string;
  /** Where the host differs from one that stands in nobody's way */
  readonly host?: Partial<HostFacts>;
  /** Digests of images; those that are left out get one from their source */
  readonly images?: ReadonlyMap<Address, ImageObservation>;
}

/** State and observation of a sandbox right after its first apply: made by carrying the steps of its plan out on paper. */
export function asApplied(
  inputs: AppliedInputs,
  rules: RulesTable,
): Pick<PlanInputs, 'observed'> & { readonly state: State } {
  const { desired, driver, hash } = inputs;
  const images = imagesOf(inputs);
  const host = { ...boundlessHost, ...inputs.host };
  const empty: Observed = { ...unapplied, images, host };
  const options = { ...noOptions, allowHostLoopback: true };
  const plan = planSandbox({ mode: 'apply', desired, observed: empty, driver, hash, options }, rules);
  const records = new Map<Address, ResourceRecord>();
  for (const step of plan.ok ? plan.value.steps : []) {
    if (step.before !== undefined && !records.has(step.address))
      records.set(step.address, { ...step.before, status: 'ready' });
  }
  const resources = [...records.values()];
  const state: State = {
    format_version: 1,
    sbx_version: '',
    lineage: 'on-paper',
    serial: 1,
    name: desired.name,
    ...(desired.instance === undefined ? {} : { instance: desired.instance }),
    folder: desired.folder,
    files: [],
    resources,
    outputs: recordedOutputs({ desired, mode: 'apply' }, hash),
  };
  return { state, observed: { ...empty, ...observedOf(resources) } };
}

function imagesOf({ desired, images }: AppliedInputs): ReadonlyMap<Address, ImageObservation> {
  const all = [...desired.resources.values()].filter((resource): resource is DesiredImage => resource.kind === 'image');
  return new Map(
    all.map(({ address, source }) => [
      address,
      images?.get(address) ?? { digest: canonicalJson(source), cached: true },
    ]),
  );
}

/** What a host shows when everything is as recorded. */
function observedOf(resources: readonly ResourceRecord[]): Pick<Observed, 'sandbox' | 'volumes' | 'vms'> {
  const volumes = new Map<Address, VolumeObservation>();
  const vms = new Map<Address, VmObservation>();
  const links: Record<string, SandboxObservation['links'][string]> = {};
  let sandbox: SandboxAttrs | undefined;
  for (const record of resources) {
    if (record.kind === 'sandbox') sandbox = record.attrs;
    if (record.kind === 'volume') volumes.set(record.address, { present: true, sizeBytes: record.attrs.sizeBytes });
    if (record.kind === 'network') links[bridgeName(shortName(record.address))] = { kind: 'bridge', up: true };
    if (record.kind !== 'vm') continue;
    vms.set(record.address, vmSeen(record.attrs));
    for (const nic of Object.keys(record.attrs.nics)) {
      const network = formatAddress({ kind: 'network', name: nic });
      links[tapName(record.address, nic)] = { kind: 'tap', master: bridgeName(shortName(network)), up: true };
    }
  }
  const present = { namespace: 'present', holder: 'present', rules: 'present' } as const;
  const forwards = (sandbox?.forwards ?? []).map(forwardName);
  return {
    volumes,
    vms,
    sandbox: { ...present, uplink: sandbox?.uplink === true ? 'present' : 'absent', forwards, links },
  };
}

function vmSeen(attrs: VmAttrs): VmObservation {
  if (attrs.state === 'stopped' || attrs.hold) return { state: 'absent' };
  return {
    state: 'running',
    cpus: attrs.cpus.count,
    cpusMax: attrs.cpus.max,
    memoryBytes: attrs.memory.sizeBytes,
    memoryMaxBytes: attrs.memory.maxBytes,
    disks: Object.fromEntries(Object.entries(attrs.disks).map(([name, disk]) => [name, disk.sizeBytes])),
    nics: Object.fromEntries(Object.entries(attrs.nics).map(([name, nic]) => [name, nic.mac])),
  };
}
