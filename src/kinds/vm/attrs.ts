// From a desired VM to what is recorded of it.
import { type Address, kindOf } from '../../core/address.ts';
import type { DesiredDisk, DesiredVm } from '../../core/desired.ts';
import type { PlanContext } from '../../core/plan/context.ts';
import { isSame, valueAt, withValueAt } from '../../core/plan/values.ts';
import type { DiskAttrs, ImageAttrs, NetworkAttrs, NicAttrs, VmAttrs, VolumeAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import { needsOf } from '../in-use.ts';
import { vmFields } from './fields.ts';

/** Attributes of a desired VM. Fields under `ignore_changes` keep what is recorded. */
export function toVmAttrs(desired: DesiredVm, context: PlanContext): VmAttrs {
  const record = context.record(desired.address);
  const recorded = record?.kind === 'vm' ? record : undefined;
  const attrs: VmAttrs = {
    image: desired.image,
    imageDigest: digestOf(desired, context),
    cmdline: desired.cmdline ?? '',
    hostname: desired.hostname,
    cpus: desired.cpus,
    memory: desired.memory,
    disks: mapValues(desired.disks, (disk) => toDiskAttrs(disk, context)),
    nics: mapValues(desired.nics, (nic) => toNicAttrs(nic, context)),
    env: toEnvAttrs(desired, context),
    state: desired.state,
    hold: context.options.holds.get(desired.address) ?? recorded?.attrs.hold ?? false,
    onExit: desired.onExit,
    ready: readyAttr(desired, recorded),
    lifecycle: desired.lifecycle,
    driver: context.capabilities?.driver ?? recorded?.attrs.driver ?? 'qemu',
  };
  return recorded === undefined ? attrs : withRoom(keepIgnored(attrs, recorded));
}

/**
 * What is waited for. What the image means by default takes hold when the VM boots: one that runs unwaited already, as older
 * versions of sbx started it, is as the file wants it.
 */
function readyAttr({ ready, readyByDefault, lifecycle }: DesiredVm, recorded: VmRecord | undefined): VmAttrs['ready'] {
  const { attrs } = recorded ?? {};
  if (readyByDefault && attrs !== undefined && (attrs.ready === null || keepsImage(lifecycle))) return attrs.ready;
  return ready ?? null;
}

/** Whether the VM goes on booting from what it booted from, whatever the file says. */
function keepsImage({ ignoreChanges }: DesiredVm['lifecycle']): boolean {
  return ignoreChanges.includes('image');
}

function toEnvAttrs(desired: DesiredVm, context: PlanContext): VmAttrs['env'] {
  return mapValues(desired.env, (text) => (text.sensitive ? { sensitive: context.hash(text.value) } : text.value));
}

/**
 * The attributes of a VM that is about to boot: sensitive values under `ignore_changes` are those of the file again, since what
 * they were is kept nowhere, and it is waited for as its image means it. Gives the very same attributes where that changes nothing.
 */
export function asItBoots(address: Address, attrs: VmAttrs, context: PlanContext): VmAttrs {
  const desired = context.desired.get(address);
  if (desired?.kind !== 'vm') return attrs;
  const known = withSecretsOfFile(desired, attrs, context);
  const { ready, readyByDefault, lifecycle } = desired;
  if (!readyByDefault || ready === undefined || known.ready !== null || known.image !== desired.image) return known;
  return lifecycle.ignoreChanges.includes('ready') ? known : { ...known, ready };
}

function withSecretsOfFile(desired: DesiredVm, attrs: VmAttrs, context: PlanContext): VmAttrs {
  const wanted = toEnvAttrs(desired, context);
  const lost = Object.entries(attrs.env).filter(
    ([name, text]) => typeof text !== 'string' && !isSame(text, wanted[name]),
  );
  if (lost.length === 0) return attrs;
  const env = { ...attrs.env };
  for (const [name] of lost) {
    const value = wanted[name];
    if (value === undefined) delete env[name];
    else env[name] = value;
  }
  return { ...attrs, env };
}

/** What is kept may be more than the new maximum: a VM has room for what it has. */
function withRoom(attrs: VmAttrs): VmAttrs {
  const { cpus, memory } = attrs;
  const [max, maxBytes] = [Math.max(cpus.max, cpus.count), Math.max(memory.maxBytes, memory.sizeBytes)];
  if (max === cpus.max && maxBytes === memory.maxBytes) return attrs;
  return { ...attrs, cpus: { ...cpus, max }, memory: { ...memory, maxBytes } };
}

function digestOf(desired: DesiredVm, context: PlanContext): string {
  const image = context.plannedAttrs(desired.image) as ImageAttrs | undefined;
  return image?.digest ?? '';
}

function toDiskAttrs(disk: DesiredDisk, context: PlanContext): DiskAttrs {
  switch (disk.type) {
    case 'root':
      return { type: 'root', sizeBytes: disk.sizeBytes ?? null };
    case 'scratch':
      return { type: 'scratch', sizeBytes: disk.sizeBytes };
    case 'volume': {
      const volume = context.plannedAttrs(disk.volume) as VolumeAttrs | undefined;
      return { type: 'volume', volume: disk.volume, sizeBytes: volume?.sizeBytes ?? 0, readonly: disk.readonly };
    }
  }
}

function toNicAttrs(
  nic: DesiredVm['nics'] extends ReadonlyMap<string, infer N> ? N : never,
  context: PlanContext,
): NicAttrs {
  const userNet = context.observed.host.connectivity === 'user-net';
  const { network, ip, prefix, gateway, mac } = nic;
  const ends = { network, ip, prefix, gateway, mac };
  if (!userNet) return { ...ends, forwards: [] };
  const { mode } = context.plannedAttrs(network) as NetworkAttrs;
  return { ...ends, forwards: nic.ports, ...(mode === 'isolated' ? { isolated: true } : {}) };
}

function mapValues<V, W>(map: ReadonlyMap<string, V>, change: (value: V) => W): Readonly<Record<string, W>> {
  const result: Record<string, W> = {};
  for (const [key, value] of map) result[key] = change(value);
  return result;
}

function keepIgnored(attrs: VmAttrs, record: VmRecord): VmAttrs {
  let kept = attrs;
  for (const ignored of attrs.lifecycle.ignoreChanges) {
    for (const path of pathsOf(ignored)) kept = keep(kept, record.attrs, path);
  }
  return kept;
}

/** The attributes with one value as it was. What is inside of a device has no meaning where the device comes, goes or changes its type. */
function keep(attrs: VmAttrs, recorded: VmAttrs, path: readonly string[]): VmAttrs {
  if (path.length > 2) {
    const [now, was] = [attrs, recorded].map((each) => valueAt(each, path.slice(0, 2)));
    if (now === undefined || was === undefined) return attrs;
    if (valueAt(now, ['type']) !== valueAt(was, ['type'])) return attrs;
  }
  return withValueAt(attrs, path, valueAt(recorded, path));
}

/** Words of the file whose place in the attributes has another name. */
const renamed: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  disks: { size: 'sizeBytes' },
  nics: { address: 'ip', ports: 'forwards' },
};

/** A field path in the words of the file as paths in the attributes: itself and everything below. */
function pathsOf(field: string): readonly (readonly string[])[] {
  const scalar = vmFields
    .filter((rule) => rule.field === field || rule.field.startsWith(`${field}.`))
    .map((rule) => rule.path);
  if (scalar.length > 0) return scalar;
  const [word = '', name, ...rest] = field.split('.');
  const first = word === 'networks' ? 'nics' : word;
  if (name === undefined) return [[first]];
  return [[first, name, ...rest.map((key) => renamed[first]?.[key] ?? key)]];
}

/** What must be there before a VM. */
export function vmDependsOn(desired: DesiredVm, attrs: VmAttrs): readonly Address[] {
  const vms = desired.dependsOn.map(({ address }) => address).filter((address) => kindOf(address) === 'vm');
  return [...new Set([...needsOf(attrs), ...vms])];
}
