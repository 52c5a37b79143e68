// depends_on and replace_triggered_by: names of VMs and resources to addresses, and circles among them.
import { type Address, formatAddress, parseAddress } from '../address.ts';
import type { DesiredVm } from '../desired.ts';
import type { Path } from '../load/document.ts';
import { nearest } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { own, type RawValue } from '../load/raw.ts';
import type { Context, Group } from './context.ts';
import { undeclared } from './problem.ts';
import { substituteOpen } from './substitute.ts';
import { carriesAgent } from './vm-values.ts';

const mostDependencies = 1_000_000;

/** What all VMs of a group depend on, and what replaces them. */
export interface GroupLinks {
  readonly dependsOn: DesiredVm['dependsOn'];
  readonly triggers: readonly Address[];
}

/** The links of a VM that says nothing about any. */
export const noLinks: GroupLinks = { dependsOn: [], triggers: [] };

/** Links of every group that has some, each worked out once and shared by its VMs; SBX2104, SBX2504, SBX2505, SBX2602. */
export function resolveLinks(context: Context): ReadonlyMap<string, GroupLinks> {
  const links = new Map<string, GroupLinks>();
  const edges = new Map<string, readonly string[]>();
  let total = 0;
  for (const group of context.groups.values()) {
    if (group === undefined) continue;
    if (group.raw.depends_on === undefined && group.raw.lifecycle?.replace_triggered_by === undefined) continue;
    const found = linksOf(context, group, edges);
    total += (found.dependsOn.length + found.triggers.length) * group.instances.length;
    links.set(group.name, found);
    if (total <= mostDependencies) continue;
    const detail = `Up to "${group.name}" there are ${total} dependencies between single VMs.`;
    context.reporter.report('SBX2505', ['vms'], { detail });
    return new Map();
  }
  reportCircles(context, edges);
  return links;
}

function linksOf(context: Context, group: Group, edges: Map<string, readonly string[]>): GroupLinks {
  const wanted = wantedOf(context, group);
  edges.set(group.name, [...wanted.keys()].flatMap(nameOfVm));
  const dependsOn = [...wanted].flatMap(([text, until]) =>
    addressesOf(context, group, text, dependencyPath(group, text)).map((address) => ({ address, until })),
  );
  const triggers = (group.raw.lifecycle?.replace_triggered_by ?? []).flatMap((text, at) =>
    addressesOf(context, group, text, ['vms', group.name, 'lifecycle', 'replace_triggered_by', at]),
  );
  return { dependsOn, triggers };
}

function nameOfVm(text: string): readonly string[] {
  const name = parseAddress(text)?.name;
  return name === undefined ? [] : [name];
}

function dependencyPath(group: Group, text: string): Path {
  const written = group.raw.depends_on;
  const at = Array.isArray(written) ? written.indexOf(text) : text;
  return ['vms', group.name, 'depends_on', at];
}

function wantedOf(context: Context, group: Group): ReadonlyMap<string, 'started' | 'ready'> {
  const written = group.raw.depends_on;
  const wanted = new Map<string, 'started' | 'ready'>();
  if (written === undefined) return wanted;
  const path: Path = ['vms', group.name, 'depends_on'];
  const found = substituteOpen(context, { shapesFile: true }, written as RawValue, path);
  if (Array.isArray(found)) for (const text of found) wanted.set(String(text), 'started');
  else
    for (const [text, until] of Object.entries(found ?? {})) {
      if (until !== 'started' && until !== 'ready')
        context.reporter.report('SBX1204', [...path, text], {
          detail: `started or ready is wanted, not ${quoted(until)}.`,
        });
      else wanted.set(text, until);
      if (until === 'ready') warnWithoutReady(context, text, [...path, text]);
    }
  return wanted;
}

function warnWithoutReady(context: Context, text: string, path: Path): void {
  const other = context.groups.get(parseAddress(text)?.name ?? '');
  if (other === undefined || isWaitedFor(context, other)) return;
  const why =
    other.raw.ready === 'none' ? 'says ready: none' : 'boots from files of your own and does not say when it is ready';
  context.reporter.report('SBX2602', path, {
    detail: `"${other.name}" ${why}, so that started counts.`,
    hint: 'if its guest has an agent, give it ready: { boot: true }',
  });
}

/** Whether the VMs of a group count as ready at some time after their start. */
function isWaitedFor(context: Context, { raw }: Group): boolean {
  if (raw.ready !== undefined) return raw.ready !== 'none';
  const image = raw.image === undefined ? undefined : context.images.get(raw.image);
  // An image that is named by a reference, or by mistake, is looked at when the VM itself is.
  return image === undefined || carriesAgent(context, image.address);
}

/** The addresses that a name stands for: all VMs of a group, or the one with the key. */
function addressesOf(context: Context, from: Group, text: string, path: Path): readonly Address[] {
  const parts = parseAddress(text);
  if (parts === undefined) return [];
  if (parts.kind !== 'vm') {
    const declared = own(tablesOf(context), parts.kind);
    if (declared?.has(parts.name) && parts.key === undefined) return [formatAddress(parts)];
    return unknown(context, text, parts.name, declared?.keys() ?? [], path);
  }
  if (!context.groups.has(parts.name)) return unknown(context, text, parts.name, context.groups.keys(), path);
  const group = context.groups.get(parts.name);
  if (group === undefined || group === from) return [];
  if (parts.key === undefined) return group.instances.map(({ address }) => address);
  const instance = group.byKey.get(String(parts.key));
  if (instance !== undefined) return [instance.address];
  if (group.open) return group.instances.map(({ address }) => address);
  const near = nearest(String(parts.key), [...group.byKey.keys()].slice(0, 100));
  context.reporter.report('SBX2104', path, {
    detail: `${quoted(text)} is not declared in this sandbox: "${group.name}" has no such instance.`,
    ...(near === undefined || near === '' ? {} : { hint: `did you mean "${near}"?` }),
  });
  return [];
}

function tablesOf(context: Context): Readonly<Record<string, ReadonlyMap<string, unknown>>> {
  return { network: context.networks, volume: context.volumes, image: context.images };
}

function unknown(
  context: Context,
  text: string,
  name: string,
  known: Iterable<string>,
  path: Path,
): readonly Address[] {
  const { code, ...particulars } = undeclared(text, name, known);
  context.reporter.report(code, path, particulars, 'key');
  return [];
}

/** Walks the groups depth first, without recursion since chains may be long. */
function reportCircles(context: Context, edges: ReadonlyMap<string, readonly string[]>): void {
  const done = new Set<string>();
  for (const start of edges.keys()) if (!done.has(start)) walk(context, edges, start, done);
}

function walk(context: Context, edges: ReadonlyMap<string, readonly string[]>, start: string, done: Set<string>): void {
  const trail = [{ name: start, next: 0 }];
  const onTrail = new Set([start]);
  for (let top = trail.at(-1); top !== undefined; top = trail.at(-1)) {
    const name = edges.get(top.name)?.[top.next++];
    if (name === undefined) {
      trail.pop();
      onTrail.delete(top.name);
      done.add(top.name);
    } else if (onTrail.has(name)) reportCircle(context, [...trail.map((each) => each.name), name]);
    else if (!done.has(name)) {
      trail.push({ name, next: 0 });
      onTrail.add(name);
    }
  }
}

function reportCircle(context: Context, trail: readonly string[]): void {
  const last = trail.at(-1) ?? '';
  const circle = trail.slice(trail.indexOf(last));
  const shown = circle.length > 12 ? [...circle.slice(0, 6), '…', ...circle.slice(-5)] : circle;
  context.reporter.report('SBX2504', ['vms', circle.at(-2) ?? last, 'depends_on'], {
    detail: `These VMs wait for each other: ${shown.join(' → ')}.`,
  });
}
