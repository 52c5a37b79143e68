// What a reference path leads to: var, each, count, vm, network, volume, image.

import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { isMap, type RawMap, type RawValue } from '../load/raw.ts';
import { formatSize } from '../units.ts';
import { cell, fails, hasFailed, isSensitive, known, unknown } from './cells.ts';
import type { Context, Evaluated, Group, Scope } from './context.ts';
import { formatIp } from './ipv4.ts';
import { undeclared } from './problem.ts';
import { isVmField, vmField } from './vm-fields.ts';

type Lookup = (context: Context, scope: Scope, steps: readonly string[], text: string) => Evaluated;

const roots: Readonly<Record<string, Lookup>> = {
  var: variable,
  each,
  count,
  vm,
  network,
  volume,
  image,
};
const shaping = new Set(['var', 'each', 'count']);

/** The value of a path such as `vm.web[0].hostname`; `text` is how it is written. */
export function lookUp(context: Context, scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [root = '', ...rest] = steps;
  const found = Object.hasOwn(roots, root) ? roots[root] : undefined;
  if (found === undefined)
    return fails({
      code: 'SBX2104',
      detail: `${quoted(text)} refers to nothing that sbx knows.`,
      hint: suggestion(root, Object.keys(roots)).hint ?? `references begin with ${Object.keys(roots).join(', ')}`,
    });
  if (scope.shapesFile && !shaping.has(root))
    return fails({
      code: 'SBX2102',
      detail: `${quoted(text)} cannot be used here: this value is needed before any ${root} exists.`,
      hint: 'use a variable',
    });
  return found(context, scope, rest, text);
}

function variable(context: Context, _scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  const value = context.variables.get(name);
  if (value === undefined) return fails(undeclared(text, name, context.variables.keys()));
  context.usedVariables.add(name);
  if (rest.length === 0) return value;
  if (value.ok) return inside(value.value, rest, text, value.sensitive);
  if (value.unknown === undefined) return value;
  return value.unknown.type === 'list' ? unknown(value.unknown.sensitive) : noPart(text, rest[0] ?? '');
}

function each(_context: Context, scope: Scope, steps: readonly string[], text: string): Evaluated {
  const { instance } = scope;
  if (instance?.group.form !== 'each')
    return fails({ code: 'SBX2102', detail: `${quoted(text)} exists only in a VM with for_each.` });
  const [name, ...rest] = steps;
  if (instance.group.open && (name === 'value' || (name === 'key' && rest.length === 0)))
    return unknown(false, name === 'key' ? 'string' : undefined);
  if (name === 'key' && rest.length === 0) return known(String(instance.key));
  if (name === 'value') return inside(instance.value ?? null, rest, text, false);
  return fails(undeclared(text, name ?? '', ['key', 'value']));
}

function count(_context: Context, scope: Scope, steps: readonly string[], text: string): Evaluated {
  const { instance } = scope;
  if (instance?.group.form !== 'count')
    return fails({ code: 'SBX2102', detail: `${quoted(text)} exists only in a VM with count.` });
  if (steps.length === 1 && steps[0] === 'index')
    return instance.group.open ? unknown(false, 'integer') : known(instance.key ?? 0);
  return fails(undeclared(text, steps[0] ?? '', ['index']));
}

/** A part of a list or map. */
function inside(value: RawValue, steps: readonly string[], text: string, sensitive: boolean): Evaluated {
  let at: RawValue | undefined = value;
  for (const step of steps) {
    if (Array.isArray(at)) at = at[Number(step)];
    else at = isMap(at) && Object.hasOwn(at, step) ? (at as RawMap<RawValue>)[step] : undefined;
    if (at === undefined) return noPart(text, step);
  }
  return known(at ?? null, sensitive);
}

function noPart(text: string, step: string): Evaluated {
  const detail = `${quoted(text)}: there is no ${quoted(step)}.`;
  return { ok: false, problem: { code: 'SBX2104', detail }, optional: true };
}

function vm(context: Context, _scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  if (!context.groups.has(name)) return fails(undeclared(text, name, context.groups.keys()));
  const group = context.groups.get(name);
  if (group === undefined) return { ok: false };
  if (group.form === 'single') return fieldOf(context, group, '', rest, text);
  const [key = '', ...field] = rest;
  if (group.byKey.has(key)) return fieldOf(context, group, key, field, text);
  if (isVmField(key)) return ofAll(context, group, rest, text);
  if (group.open) return ofAny(context, group, field, text);
  const keys = [...group.byKey.keys()].slice(0, 100);
  return fails({
    code: 'SBX2104',
    detail: `${quoted(text)}: VM ${quoted(name)} has no instance ${quoted(key)}.`,
    ...suggestion(key, keys),
  });
}

function fieldOf(context: Context, group: Group, key: string, steps: readonly string[], text: string): Evaluated {
  const instance = group.byKey.get(key);
  if (instance === undefined) return { ok: false };
  return cell(context, `${instance.address}.${steps.join('.')}`, () => vmField(context, instance, steps, text));
}

/** The values of all VMs of a group, as a list. */
function ofAll(context: Context, group: Group, steps: readonly string[], text: string): Evaluated {
  return cell(context, `vm.${group.name}[*].${steps.join('.')}`, () => {
    const values: RawValue[] = [];
    let sensitive = false;
    let open = group.open;
    for (const key of group.byKey.keys()) {
      const found = fieldOf(context, group, key, steps, text);
      if (hasFailed(found)) return found;
      sensitive ||= isSensitive(found);
      if (found.ok) values.push(found.value);
      else open = true;
    }
    return open ? unknown(sensitive, 'list') : known(values, sensitive);
  });
}

/** The value of one VM of a group whose instances are not known: the field must be one, and more cannot be said. */
function ofAny(context: Context, group: Group, steps: readonly string[], text: string): Evaluated {
  const found = fieldOf(context, group, '', steps, text);
  return hasFailed(found) ? found : unknown(isSensitive(found));
}

/** A member of a table of fields, or what to say when there is none. */
function field(
  fields: Readonly<Record<string, RawValue | undefined>>,
  steps: readonly string[],
  text: string,
): Evaluated {
  const [name = '', ...rest] = steps;
  const value = rest.length === 0 && Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (value !== undefined) return known(value);
  const fieldNames = Object.keys(fields);
  return fails({
    code: 'SBX2104',
    detail: `${quoted(text)} is not a field that can be referred to.`,
    hint: suggestion(name, fieldNames).hint ?? `fields: ${fieldNames.join(', ')}`,
  });
}

function network(context: Context, _scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  if (!context.networks.has(name)) return fails(undeclared(text, name, context.networks.keys()));
  const found = context.networks.get(name);
  if (found === undefined) return { ok: false };
  const { subnet, mode } = found.desired;
  return field({ subnet, gateway: formatIp(found.gateway), prefix: found.prefix, mode, name }, rest, text);
}

function volume(context: Context, _scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  if (!context.volumes.has(name)) return fails(undeclared(text, name, context.volumes.keys()));
  const found = context.volumes.get(name);
  if (found === undefined) return { ok: false };
  return field({ size: formatSize(found.sizeBytes), protect: found.protect, name }, rest, text);
}

function image(context: Context, _scope: Scope, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  if (!context.images.has(name)) return fails(undeclared(text, name, context.images.keys()));
  const source = context.images.get(name)?.source;
  if (source === undefined) return { ok: false };
  if (source.type === 'build') return field({ build: source.recipe, name }, rest, text);
  const { kernel, initrd, cmdline, disk } = source;
  return field({ kernel, initrd, cmdline, disk, name }, rest, text);
}
