// One VM: references replaced, checked once more, turned into what the planner compares.
import type { Address } from '../address.ts';
import type { DesiredNic, DesiredVm, Text } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import type { RawMap, RawValue, RawVm } from '../load/raw.ts';
import type { Context, Instance } from './context.ts';
import { defaultHostname, macAddress, sandboxId } from './defaults.ts';
import type { GroupLinks } from './dependencies.ts';
import { undeclared } from './problem.ts';
import { fitsSchema } from './resolved.ts';
import { substitute, substituteOpen } from './substitute.ts';
import { cpusOf, disksOf, lifecycleOf, memoryOf, readinessOf } from './vm-values.ts';

/** A VM without references. Keys whose references failed are left out, so that the others are checked all the same. */
interface ResolvedVm {
  readonly raw: RawVm;
  /** Environment variables that are sensitive */
  readonly sensitive: ReadonlySet<string>;
  /** Top-level keys that are left out */
  readonly failed: ReadonlySet<string>;
}

const none: ReadonlySet<string> = new Set();
const comparableFields = [
  'image',
  'cmdline',
  'hostname',
  'cpus',
  'memory',
  'disks',
  'networks',
  'env',
  'state',
  'on_exit',
  'ready',
];

/** The desired VM; undefined, or with gaps, when something about it failed and was reported. */
export function desiredVm(context: Context, instance: Instance, links: GroupLinks): DesiredVm | undefined {
  const path: Path = ['vms', instance.group.name];
  const resolved = resolve(context, instance, path);
  if (resolved === undefined) return undefined;
  const { raw } = resolved;
  const image = resolved.failed.has('image') ? undefined : imageOf(context, raw, path);
  checkIgnored(context, raw, path);
  const cpus = cpusOf(context, raw, path);
  const memory = memoryOf(context, raw, path);
  const nics = nicsOf(context, instance, path);
  if (image === undefined) return undefined;
  return {
    kind: 'vm',
    address: instance.address,
    place: instance.group.place,
    image,
    ...(raw.cmdline === undefined || raw.cmdline === '' ? {} : { cmdline: raw.cmdline }),
    hostname: raw.hostname ?? defaultHostname(instance),
    cpus,
    memory,
    disks: disksOf(context, raw, image, path),
    nics,
    env: envOf(raw, resolved.sensitive),
    state: raw.state === 'stopped' ? 'stopped' : 'running',
    onExit: raw.on_exit === 'keep' ? 'keep' : 'restart',
    ...readinessOf(context, raw, image, path),
    dependsOn: links.dependsOn,
    lifecycle: lifecycleOf(raw.lifecycle, links.triggers),
  };
}

function resolve(context: Context, instance: Instance, path: Path): ResolvedVm | undefined {
  const { raw, hasReferences } = instance.group;
  if (!hasReferences) {
    // The schema has seen the VM and its template, and not yet what null has left of them.
    const sound = !context.document.removals.has(instance.group.name) || fitsSchema(context, 'vm', path, { ...raw });
    return sound ? { raw, sensitive: none, failed: none } : undefined;
  }
  const values: Record<string, RawValue> = {};
  const failed = new Set<string>();
  const sensitive = new Set<string>();
  for (const [key, written] of Object.entries(raw as RawMap<RawValue>)) {
    if (worked.has(key) || key.startsWith('x-')) continue;
    const found =
      key === 'env'
        ? resolveEnv(context, instance, raw.env ?? {}, sensitive)
        : substituteOpen(context, { instance }, written, [...path, key]);
    if (found === undefined) failed.add(key);
    else values[key] = found;
  }
  const quiet = (at: Path): boolean => at[2] === 'env' && sensitive.has(String(at[3]));
  return fitsSchema(context, 'vm', path, values, quiet)
    ? { raw: values as unknown as RawVm, sensitive, failed }
    : undefined;
}

/** Keys that are worked out, and reported, elsewhere: addresses, ports and dependencies. */
const worked: ReadonlySet<string> = new Set(['networks', 'depends_on']);

/** The environment without what failed; fills the names of what is sensitive. */
function resolveEnv(
  context: Context,
  instance: Instance,
  env: NonNullable<RawVm['env']>,
  sensitive: Set<string>,
): RawValue {
  const values: Record<string, RawValue> = {};
  for (const [name, written] of Object.entries(env)) {
    const found = substitute(context, { instance }, written, ['vms', instance.group.name, 'env', name]);
    if (found?.known !== true) continue;
    values[name] = found.value;
    if (found.sensitive) sensitive.add(name);
  }
  return values;
}

function envOf(raw: RawVm, sensitive: ReadonlySet<string>): ReadonlyMap<string, Text> {
  const env = new Map<string, Text>();
  for (const [name, value] of Object.entries(raw.env ?? {}))
    env.set(name, { value: String(value), sensitive: sensitive.has(name) });
  return env;
}

function imageOf(context: Context, raw: RawVm, path: Path): Address | undefined {
  if (raw.image === undefined) {
    context.reporter.report(
      'SBX2203',
      path,
      { detail: `"${path[1]}" needs "image", its own or its template's.`, hint: 'name one that stands under images' },
      'key',
    );
    return undefined;
  }
  if (!context.images.has(raw.image)) {
    const { code, ...particulars } = undeclared(`image.${raw.image}`, raw.image, context.images.keys());
    context.reporter.report(code, [...path, 'image'], particulars);
    return undefined;
  }
  context.usedImages.add(raw.image);
  return context.images.get(raw.image)?.address;
}

function checkIgnored(context: Context, raw: RawVm, path: Path): void {
  (raw.lifecycle?.ignore_changes ?? []).forEach((field, at) => {
    const [first = ''] = field.split('.');
    if (comparableFields.includes(first)) return;
    const detail = `${quoted(field)} is not a field of a VM that can change.`;
    context.reporter.report('SBX1204', [...path, 'lifecycle', 'ignore_changes', at], {
      detail,
      ...suggestion(first, comparableFields),
    });
  });
}

function nicsOf(context: Context, instance: Instance, path: Path): ReadonlyMap<string, DesiredNic> {
  const nics = new Map<string, DesiredNic>();
  for (const name of Object.keys(instance.group.raw.networks ?? {})) {
    const nic = nicOf(context, instance, name, path);
    if (nic !== undefined) nics.set(name, nic);
  }
  return nics;
}

function nicOf(context: Context, instance: Instance, name: string, path: Path): DesiredNic | undefined {
  if (!context.networks.has(name)) {
    const { code, ...particulars } = undeclared(`network.${name}`, name, context.networks.keys());
    context.reporter.report(code, [...path, 'networks', name], particulars, 'key');
    return undefined;
  }
  const network = context.networks.get(name);
  const ip = context.allocator?.addressOn(instance, name);
  if (network === undefined || ip === undefined || !ip.ok) return undefined;
  return {
    network: network.desired.address,
    ip: String(ip.value),
    prefix: network.prefix,
    gateway: network.desired.gateway,
    mac: macAddress(sandboxId(context), instance.address, name),
    ports: context.publisher?.portsOf(instance, name) ?? [],
  };
}
