// Entries under `vms` to single VMs: templates, count and for_each.
import { type Address, formatAddress } from '../address.ts';
import type { Path } from '../load/document.ts';
import { mergeMaps } from '../load/merge.ts';
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { isMap, own, type RawValue, type RawVm } from '../load/raw.ts';
import type { Context, Group, Instance } from './context.ts';
import { holdsReference, substituteOpen } from './substitute.ts';

/** Most VMs of one sandbox. */
export const mostVms = 10_000;
const keyPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/;

/** A key of an instance and `each.value`; one VM alone has no key. */
interface Slot {
  readonly key?: string | number;
  readonly value?: RawValue;
}

/** Fills `context.groups`; SBX2201, SBX2202 and unknown templates. */
export function resolveGroups(context: Context): void {
  let total = 0;
  for (const [name, written] of Object.entries(context.root.vms ?? {})) {
    const group = groupOf(context, name, written);
    context.groups.set(name, group);
    total += group?.instances.length ?? 0;
  }
  if (total > mostVms)
    context.reporter.report('SBX2202', ['vms'], {
      detail: `The file declares ${total} VMs; up to ${mostVms} are allowed.`,
    });
}

function groupOf(context: Context, name: string, written: RawVm): Group | undefined {
  const path: Path = ['vms', name];
  const raw = withTemplate(context, name, written);
  const slots = slotsOf(context, written, path);
  if (raw === undefined || slots === undefined) return undefined;
  const instances: Instance[] = [];
  const byKey = new Map<string, Instance>();
  const form = written.count !== undefined ? 'count' : written.for_each !== undefined ? 'each' : 'single';
  const hasReferences = context.anyReference && holdsReference(raw);
  const group: Group = {
    name,
    raw,
    form,
    instances,
    byKey,
    place: () => context.reporter.place(path, 'key'),
    hasReferences,
  };
  for (const slot of slots) {
    const instance: Instance = { ...slot, address: addressOf(name, slot), group };
    instances.push(instance);
    byKey.set(String(slot.key ?? ''), instance);
  }
  return group;
}

function addressOf(name: string, { key }: Slot): Address {
  return formatAddress(key === undefined ? { kind: 'vm', name } : { kind: 'vm', name, key });
}

function withTemplate(context: Context, name: string, written: RawVm): RawVm | undefined {
  if (written.template === undefined && written.count === undefined && written.for_each === undefined) return written;
  const { template, count: _count, for_each: _forEach, ...settings } = written;
  if (template === undefined) return settings;
  const path: Path = ['vms', name, 'template'];
  const wanted = substituteOpen(context, { shapesFile: true }, template, path);
  if (wanted === undefined) return undefined;
  const found = own(context.root.templates, String(wanted));
  if (found === undefined) {
    context.reporter.report('SBX2104', path, {
      detail: `Template ${quoted(wanted)} is not declared in this sandbox.`,
      ...suggestion(String(wanted), Object.keys(context.root.templates ?? {})),
    });
    return undefined;
  }
  context.usedTemplates.add(String(wanted));
  context.reporter.setTemplate(name, String(wanted));
  return mergeMaps({ ...found }, { ...settings }) as RawVm;
}

function slotsOf(context: Context, written: RawVm, path: Path): readonly Slot[] | undefined {
  if (written.count !== undefined && written.for_each !== undefined)
    return refuse(context, [...path, 'for_each'], '"count" and "for_each" exclude each other.');
  if (written.count !== undefined) return slotsOfCount(context, written.count, [...path, 'count']);
  if (written.for_each !== undefined) return slotsOfEach(context, written.for_each as RawValue, [...path, 'for_each']);
  return [{}];
}

function refuse(context: Context, path: Path, detail: string): undefined {
  context.reporter.report('SBX2201', path, { detail });
}

function slotsOfCount(context: Context, written: RawValue, path: Path): readonly Slot[] | undefined {
  const count = substituteOpen(context, { shapesFile: true }, written, path);
  if (count === undefined) return undefined;
  if (!Number.isInteger(count) || Number(count) < 0 || Number(count) > mostVms || typeof count !== 'number')
    return refuse(context, path, `count takes a whole number from 0 to ${mostVms}, not ${quoted(count)}.`);
  return Array.from({ length: count }, (_, key) => ({ key }));
}

function slotsOfEach(context: Context, written: RawValue, path: Path): readonly Slot[] | undefined {
  const found = substituteOpen(context, { shapesFile: true }, written, path);
  if (found === undefined) return undefined;
  if (!Array.isArray(found) && !isMap(found))
    return refuse(context, path, `for_each takes a list of names or a map, not ${quoted(found)}.`);
  const slots: Slot[] = Array.isArray(found)
    ? found.map((item: RawValue) => ({ key: typeof item === 'object' ? '' : String(item), value: item }))
    : Object.entries(found).map(([key, value]) => ({ key, value: value as RawValue }));
  const seen = new Set<unknown>();
  for (const { key } of slots) {
    if (!keyPattern.test(String(key)))
      return refuse(context, path, `${quoted(key)} cannot be a key: letters, digits, "-" and "_", at most 31.`);
    if (seen.has(key)) return refuse(context, path, `${quoted(key)} is in the list twice.`);
    seen.add(key);
  }
  if (slots.length > mostVms) return refuse(context, path, `for_each takes up to ${mostVms} names.`);
  return slots;
}
