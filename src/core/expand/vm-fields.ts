// Fields of a VM that references may ask for.
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { isMap, own, type RawValue } from '../load/raw.ts';
import { fails, known, unknown } from './cells.ts';
import type { Context, Evaluated, Instance } from './context.ts';
import { defaultHostname, defaults, macAddress, sandboxId } from './defaults.ts';
import { hasReference } from './text.ts';

const fieldNames = ['name', 'hostname', 'cpus', 'memory', 'state', 'image', 'networks'] as const;
const nicFields = ['address', 'mac', 'gateway', 'prefix', 'ports'] as const;

/** Whether a word is a field of a VM, and not a key of an instance. */
export function isVmField(word: string): boolean {
  return (fieldNames as readonly string[]).includes(word);
}

/** The value of a field such as `hostname` or `networks.lan.address`; a problem of the VM's own text is left to it. */
export function vmField(context: Context, instance: Instance, steps: readonly string[], text: string): Evaluated {
  const [name = '', ...rest] = steps;
  const { raw } = instance.group;
  if (name === 'networks') return nicField(context, instance, rest, text);
  if (name === 'cpus') return amount(context, instance, raw.cpus ?? defaults.cpus, 'count', rest, text);
  if (name === 'memory') return amount(context, instance, raw.memory ?? defaults.memory, 'size', rest, text);
  const single = rest.length === 0 ? singleField(instance, name) : undefined;
  return single === undefined ? noField(text, name, fieldNames) : written(context, instance, single);
}

function singleField(instance: Instance, name: string): RawValue | undefined {
  const { raw } = instance.group;
  switch (name) {
    case 'name':
      return instance.group.name;
    case 'hostname':
      return raw.hostname ?? defaultHostname(instance);
    case 'image':
      return raw.image ?? null;
    case 'state':
      return raw.state ?? defaults.state;
    default:
      return undefined;
  }
}

function noField(text: string, name: string, names: readonly string[]): Evaluated {
  return fails({
    code: 'SBX2104',
    detail: `${quoted(text)} is not a field that can be referred to.`,
    hint: suggestion(name, names).hint ?? `fields: ${names.join(', ')}`,
  });
}

/** A value as written by the VM. What is wrong with it is reported where it stands, but for circles. */
function written(context: Context, instance: Instance, value: RawValue): Evaluated {
  if (typeof value !== 'string' || !hasReference(value)) return known(value);
  const found = context.evaluate({ instance }, value);
  return found.ok || found.unknown !== undefined || found.problem?.code === 'SBX2105' ? found : { ok: false };
}

/** `cpus.count`, `cpus.max`, `memory.size`, `memory.max`: the short form means both. */
function amount(
  context: Context,
  instance: Instance,
  value: RawValue,
  main: 'count' | 'size',
  steps: readonly string[],
  text: string,
): Evaluated {
  const [name = main, ...rest] = steps;
  if (rest.length > 0 || (name !== main && name !== 'max')) return noField(text, name, [main, 'max']);
  if (!isMap(value)) return written(context, instance, value);
  const found = own(value, name) ?? own(value, main) ?? null;
  return written(context, instance, found as RawValue);
}

function nicField(context: Context, instance: Instance, steps: readonly string[], text: string): Evaluated {
  const [name = '', field = '', ...rest] = steps;
  const nic = own(instance.group.raw.networks, name);
  const network = context.networks.get(name);
  if (nic === undefined)
    return fails({
      code: 'SBX2104',
      detail: `${quoted(text)}: ${instance.address} is not on a network ${quoted(name)}.`,
      ...suggestion(name, Object.keys(instance.group.raw.networks ?? {})),
    });
  if (network === undefined) return { ok: false };
  if (field === 'ports') return publishedPort(context, instance, name, rest, text);
  if (rest.length > 0) return noField(text, field, nicFields);
  switch (field) {
    case 'address':
      return context.allocator?.addressOn(instance, name) ?? { ok: false };
    case 'mac':
      return known(macAddress(sandboxId(context), instance.address, name));
    case 'gateway':
      return known(network.desired.gateway);
    case 'prefix':
      return known(network.prefix);
    default:
      return noField(text, field, nicFields);
  }
}

/** The host port that leads to a port of the guest. */
function publishedPort(
  context: Context,
  instance: Instance,
  network: string,
  steps: readonly string[],
  text: string,
): Evaluated {
  const ready = context.publisher?.ready() ?? { ok: false };
  if (!ready.ok) return ready;
  const ports = context.publisher?.portsOf(instance, network) ?? [];
  const found = ports.find(({ guestPort }) => String(guestPort) === steps[0]);
  if (found !== undefined && steps.length === 1) return known(found.hostPort);
  if (context.publisher?.isOpen(instance, network) === true) return unknown(false, 'integer');
  const detail = `${quoted(text)}: ${instance.address} publishes no such port on "${network}".`;
  return fails({ code: 'SBX2104', detail, hint: 'name the port of the guest, such as ports.80' });
}
