// Entries under `vms` to single VMs: templates, count and for_each.
import { type Address, formatAddress } from '../address.ts';
import type { Path } from '../load/document.ts';
import { mergeMaps } from '../load/merge.ts';
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { isMap, own, type RawMap, type RawValue, type RawVm } from '../load/raw.ts';
import type { Context, Group, Instance } from './context.ts';
import { holdsReference, substituteOpen } from './substitute.ts';

/** Most VMs of one sandbox. */
export const mostVms = 10_000;
const keyPattern = /^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$/;

/** Most values, counted per VM, of all VMs together: a hundred each for as many VMs as there may be. */
export const mostValues = 1_000_000;

/** A key of an instance and `each.value`; one VM alone has no key. */
interface Slot {
  readonly key?: string | number;
  readonly value?: RawValue;
}

/** How many VMs an entry declares, known before any is made. */
interface Slots {
  readonly size: number;
  /** Undefined when a key cannot be one, which is reported then */
  readonly make: () => readonly Slot[] | undefined;
}

/** What is left of `mostValues`, and the values of templates that were counted. */
interface Room {
  values: number;
  readonly templates: Map<RawVm, number>;
}

/** Fills `context.groups`; SBX2201, SBX2202, SBX2204 and unknown templates. */
export function resolveGroups(context: Context): void {
  const entries = Object.entries(context.root.vms ?? {});
  const counted = new Map(entries.map(([name, written]) => [name, slotsOf(context, written, ['vms', name])]));
  const total = [...counted.values()].reduce((sum, slots) => sum + (slots?.size ?? 0), 0);
  if (total > mostVms) {
    context.reporter.report('SBX2202', ['vms'], {
      detail: `The file declares ${total} VMs; up to ${mostVms} are allowed.`,
    });
  }
  const room: Room = { values: mostValues, templates: new Map() };
  for (const [name, written] of entries) {
    context.groups.set(name, total > mostVms ? undefined : groupOf(context, room, name, written, counted.get(name)));
  }
}

/** Takes the values of an entry from the room that is left; reports the entry that does not fit, once. */
function hasRoom(context: Context, room: Room, name: string, values: number): boolean {
  if (room.values < 0) return false;
  room.values -= values;
  if (room.values >= 0) return true;
  context.reporter.report('SBX2204', ['vms', name], {
    detail: `The VMs up to "${name}" have more than ${mostValues} values, those of templates counted for each VM.`,
    hint: 'put long lists into the image, or declare fewer VMs',
  });
  return false;
}

/** Single values, lists and maps of a value of the file, itself included. */
function valuesIn(value: object): number {
  let size = 1;
  for (const item of Object.values(value)) size += typeof item === 'object' && item !== null ? valuesIn(item) : 1;
  return size;
}

/** The same of a template, which many VMs may take. */
function valuesOfTemplate(room: Room, template: RawVm): number {
  const before = room.templates.get(template);
  if (before !== undefined) return before;
  const size = valuesIn(template);
  room.templates.set(template, size);
  return size;
}

function groupOf(
  context: Context,
  room: Room,
  name: string,
  written: RawVm,
  counted: Slots | undefined,
): Group | undefined {
  const path: Path = ['vms', name];
  const template = templateOf(context, name, written);
  // Merging a template costs its values once, even where no VM comes of it.
  const values =
    (valuesIn(written) + (template === undefined ? 0 : valuesOfTemplate(room, template))) *
    Math.max(counted?.size ?? 0, 1);
  const slots = hasRoom(context, room, name, values) ? counted?.make() : undefined;
  if (template === undefined || slots === undefined) return undefined;
  const raw = merged(written, template);
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

const noTemplate: RawVm = {};

/** The template of an entry, an empty one where it names none; undefined when it cannot be found, which is reported. */
function templateOf(context: Context, name: string, { template }: RawVm): RawVm | undefined {
  if (template === undefined) return noTemplate;
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
  return found;
}

function merged(written: RawVm, template: RawVm): RawVm {
  if (written.template === undefined && written.count === undefined && written.for_each === undefined) return written;
  const { template: name, count: _count, for_each: _forEach, ...settings } = written;
  return name === undefined ? settings : (mergeMaps({ ...template }, { ...settings }) as RawVm);
}

function slotsOf(context: Context, written: RawVm, path: Path): Slots | undefined {
  if (written.count !== undefined && written.for_each !== undefined)
    return refuse(context, [...path, 'for_each'], '"count" and "for_each" exclude each other.');
  if (written.count !== undefined) return slotsOfCount(context, written.count, [...path, 'count']);
  if (written.for_each !== undefined) return slotsOfEach(context, written.for_each as RawValue, [...path, 'for_each']);
  return { size: 1, make: () => [{}] };
}

function refuse(context: Context, path: Path, detail: string): undefined {
  context.reporter.report('SBX2201', path, { detail });
}

function slotsOfCount(context: Context, written: RawValue, path: Path): Slots | undefined {
  const count = substituteOpen(context, { shapesFile: true }, written, path);
  if (count === undefined) return undefined;
  if (!Number.isInteger(count) || Number(count) < 0 || Number(count) > mostVms || typeof count !== 'number')
    return refuse(context, path, `count takes a whole number from 0 to ${mostVms}, not ${quoted(count)}.`);
  return { size: count, make: () => Array.from({ length: count }, (_, key) => ({ key })) };
}

function slotsOfEach(context: Context, written: RawValue, path: Path): Slots | undefined {
  const found = substituteOpen(context, { shapesFile: true }, written, path);
  if (found === undefined) return undefined;
  if (!Array.isArray(found) && !isMap(found))
    return refuse(context, path, `for_each takes a list of names or a map, not ${quoted(found)}.`);
  const size = Array.isArray(found) ? found.length : Object.keys(found).length;
  if (size > mostVms) return refuse(context, path, `for_each takes up to ${mostVms} names.`);
  return { size, make: () => keyedSlots(context, found as readonly RawValue[] | RawMap<RawValue>, path) };
}

function keyedSlots(
  context: Context,
  found: readonly RawValue[] | RawMap<RawValue>,
  path: Path,
): readonly Slot[] | undefined {
  const slots: Slot[] = Array.isArray(found)
    ? found.map((item: RawValue) => ({ key: typeof item === 'object' ? '' : String(item), value: item }))
    : Object.entries(found).map(([key, value]) => ({ key, value }));
  const seen = new Set<unknown>();
  for (const { key } of slots) {
    if (!keyPattern.test(String(key)))
      return refuse(context, path, `${quoted(key)} cannot be a key: letters, digits, "-" and "_", at most 31.`);
    if (seen.has(key)) return refuse(context, path, `${quoted(key)} is in the list twice.`);
    seen.add(key);
  }
  return slots;
}
