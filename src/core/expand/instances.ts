// Entries under `vms` to single VMs: templates, count and for_each.
import { type Address, formatAddress } from '../address.ts';
import type { Path } from '../load/document.ts';
import { mergeMaps, without } from '../load/merge.ts';
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
  /** Whether the one that is made stands for however many there will be */
  readonly open?: boolean;
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
  const open = counted?.open === true;
  const template = templateOf(context, name, written);
  // Merging a template costs its values once, even where no VM comes of it.
  const values =
    (valuesIn(written) + (template === undefined ? 0 : valuesOfTemplate(room, template))) *
    Math.max(counted?.size ?? 0, 1);
  const slots = hasRoom(context, room, name, values) ? counted?.make() : undefined;
  if (template === undefined || slots === undefined) return undefined;
  const raw = merged(context, name, written, template);
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
    open,
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

function merged(context: Context, vm: string, written: RawVm, template: RawVm): RawVm {
  if (written.template === undefined && written.count === undefined && written.for_each === undefined) return written;
  const { template: name, count: _count, for_each: _forEach, ...settings } = written;
  if (name === undefined) return settings;
  return withoutRemoved(context, vm, mergeMaps({ ...template }, { ...settings })) as RawVm;
}

/** The VM without what null takes away from its template. In one file alone there must be something to take; SBX1203. */
function withoutRemoved(context: Context, name: string, vm: RawMap<unknown>): RawMap<unknown> {
  let left = vm;
  for (const path of context.document.removals.get(name) ?? []) {
    const { map, found } = without(left, path);
    left = map;
    if (found || context.document.sources.length > 1) continue;
    const key = path.join('.');
    context.reporter.report('SBX1203', ['vms', name, ...path], {
      detail: `vms.${name}.${key} is null, which takes a key of the template away, and the template has no ${quoted(key)}.`,
      hint: 'remove it; for the text write "null", in quotes',
    });
  }
  return left;
}

function slotsOf(context: Context, written: RawVm, path: Path): Slots | undefined {
  if (written.count !== undefined && written.for_each !== undefined)
    return refuse(context, [...path, 'for_each'], '"count" and "for_each" exclude each other.');
  if (written.count !== undefined) return slotsFrom(context, written.count, [...path, 'count'], slotsOfCount);
  if (written.for_each === undefined) return { size: 1, make: () => [{}] };
  return slotsFrom(context, written.for_each as RawValue, [...path, 'for_each'], slotsOfEach);
}

function slotsFrom(
  context: Context,
  written: RawValue,
  path: Path,
  of: (context: Context, found: RawValue, path: Path) => Slots | undefined,
): Slots | undefined {
  const unknown = unknownIn(context, written, path);
  if (unknown !== undefined) return unknown === 'refused' ? undefined : { size: 1, make: () => [{}], open: true };
  const found = substituteOpen(context, { shapesFile: true }, written, path);
  return found === undefined ? undefined : of(context, found, path);
}

const shapingTypes: Readonly<Record<string, readonly string[]>> = { count: ['integer', 'number'], for_each: ['list'] };

/** Whether the value is not known yet, as far as its type goes along. */
function unknownIn(context: Context, written: RawValue, path: Path): 'open' | 'refused' | undefined {
  if (context.inputs.unknownVariables !== true || typeof written !== 'string') return undefined;
  const found = context.evaluate({ shapesFile: true }, written);
  if (found.ok || found.unknown === undefined || found.unknown.sensitive) return undefined;
  const types = shapingTypes[String(path.at(-1))] ?? [];
  if (found.unknown.type === undefined || types.includes(found.unknown.type)) return 'open';
  refuse(
    context,
    path,
    `${path.at(-1)} takes ${types.includes('list') ? 'a list of names' : 'a whole number'}, not text.`,
  );
  return 'refused';
}

function refuse(context: Context, path: Path, detail: string): undefined {
  context.reporter.report('SBX2201', path, { detail });
}

function slotsOfCount(context: Context, count: RawValue, path: Path): Slots | undefined {
  if (!Number.isInteger(count) || Number(count) < 0 || Number(count) > mostVms || typeof count !== 'number')
    return refuse(context, path, `count takes a whole number from 0 to ${mostVms}, not ${quoted(count)}.`);
  return { size: count, make: () => Array.from({ length: count }, (_, key) => ({ key })) };
}

function slotsOfEach(context: Context, found: RawValue, path: Path): Slots | undefined {
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
