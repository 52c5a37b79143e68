// Which fields of a VM change, from what to what, at which price; and what changed behind our back.
import type { VmObservation, VmShape } from '../../core/observed.ts';
import type { PlanContext } from '../../core/plan/context.ts';
import type { Drift, FieldChange, PlanValue } from '../../core/plan/plan.ts';
import { absent, isSame, shown, shownText, valueAt } from '../../core/plan/values.ts';
import { portRuns, spanText } from '../../core/port-ranges.ts';
import type { NicAttrs, VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import type { Cost } from '../impacts.ts';
import { diskCost, envCost, type FieldRule, nicCost, vmFields } from './fields.ts';
import { shallRun } from './steps.ts';

/** Recorded attributes corrected by what a living VM shows. */
export function priorAttrs(record: VmRecord, observation: VmObservation): VmAttrs {
  const shape = shapeOf(observation);
  if (shape === undefined || showsAll(record.attrs, shape)) return record.attrs;
  const { attrs } = record;
  const disks = Object.entries(attrs.disks).filter(([name]) => shape.disks[name] !== undefined);
  const nics = Object.entries(attrs.nics).filter(([name]) => shape.nics[name] !== undefined);
  return {
    ...attrs,
    cpus: { count: shape.cpus, max: shape.cpusMax },
    memory: { sizeBytes: shape.memoryBytes, maxBytes: shape.memoryMaxBytes },
    disks: Object.fromEntries(disks),
    nics: Object.fromEntries(nics.map(([name, nic]) => [name, { ...nic, mac: shape.nics[name] ?? nic.mac }])),
  };
}

/** Whether a living VM shows all that is recorded: the case of nearly every VM on nearly every plan. */
function showsAll({ cpus, memory, disks, nics }: VmAttrs, shape: VmShape): boolean {
  if (shape.cpus !== cpus.count || shape.cpusMax !== cpus.max) return false;
  if (shape.memoryBytes !== memory.sizeBytes || shape.memoryMaxBytes !== memory.maxBytes) return false;
  for (const name in disks) if (shape.disks[name] === undefined) return false;
  for (const name in nics) if (shape.nics[name] !== nics[name]?.mac) return false;
  return true;
}

/** What a living VM shows of itself, or undefined. */
export function shapeOf(observation: VmObservation): VmShape | undefined {
  return 'disks' in observation ? observation : undefined;
}

/** All fields in which planned and prior differ. A VM that does not run takes every change at its next boot. */
export function fieldChanges(
  prior: VmAttrs,
  planned: VmAttrs,
  record: VmRecord,
  context: PlanContext,
  alive: boolean,
): readonly FieldChange[] {
  if (isSame(prior, planned)) return [];
  const { capabilities } = context;
  const cost = { prior, planned, capabilities, bootMemoryBytes: record.facts.bootMemoryBytes };
  const fields: FieldChange[] = [];
  const add = (field: string, from: PlanValue, to: PlanValue, at: Cost, rule: Partial<FieldRule> = {}): void => {
    const price = alive || rule.recordOnly === true ? at : whileOff(at, planned);
    fields.push({ field, from, to, ...price, ...(rule.unit === undefined ? {} : { unit: rule.unit }) });
  };
  for (const rule of vmFields) {
    const from = valueAt(prior, rule.path);
    const to = valueAt(planned, rule.path);
    if (!isSame(from, to)) add(rule.field, shown(from), shown(to), rule.cost(cost), rule);
  }
  for (const name of bothKeys(prior.disks, planned.disks)) {
    const [from, to] = [prior.disks[name], planned.disks[name]];
    if (!isSame(from, to)) add(`disks.${name}`, shown(from), shown(to), diskCost(from, to, capabilities));
  }
  for (const name of bothKeys(prior.nics, planned.nics)) {
    const [from, to] = [prior.nics[name], planned.nics[name]];
    if (!isSame(from, to)) add(`networks.${name}`, shownNic(from), shownNic(to), nicCost(from, to));
  }
  for (const name of bothKeys(prior.env, planned.env)) {
    const [from, to] = [prior.env[name], planned.env[name]];
    if (!isSame(from, to)) add(`env.${name}`, shownText(from), shownText(to), envCost);
  }
  return fields;
}

/** A VM that does not run takes every change at its next boot, but what is lost is lost at once. */
function whileOff(cost: Cost, planned: VmAttrs): Cost {
  if (cost.impact === 'replace') return cost.through === undefined ? cost : { ...cost, through: 'next-boot' };
  return { impact: 'next-boot', reason: shallRun(planned) ? 'it starts with it' : 'it does not run' };
}

/** A NIC in the words of the file. */
function shownNic(nic: NicAttrs | undefined): PlanValue {
  if (nic === undefined) return absent;
  const { network, ip, forwards, ...more } = nic;
  const ports = portRuns(forwards).map(({ first, length }) => {
    const { hostIp, hostPort, guestPort, protocol } = first;
    return `${hostIp}:${spanText(hostPort, length)}:${spanText(guestPort, length)}/${protocol}`;
  });
  return shown({ network, address: ip, ...more, ports });
}

function bothKeys(a: object, b: object): readonly string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}

/** Something that a living VM shows otherwise than it is recorded. */
interface Difference {
  readonly field: string;
  readonly recorded: PlanValue;
  readonly observed: PlanValue;
  /** What apply does about it; absent when the file asks for what is there */
  readonly remedy?: string;
  readonly unit?: 'bytes';
}

function differencesOf(record: VmRecord, observation: VmObservation, planned: VmAttrs): readonly Difference[] {
  const shape = shapeOf(observation);
  if (shape === undefined || record.status !== 'ready' || showsAll(record.attrs, shape)) return [];
  const { attrs } = record;
  const found: Difference[] = [];
  const compare = (field: string, recorded: unknown, observed: unknown, wanted: unknown, unit?: 'bytes'): void => {
    if (isSame(recorded, observed)) return;
    found.push({
      field,
      recorded: shown(recorded),
      observed: shown(observed),
      ...(isSame(observed, wanted) ? {} : { remedy: 'set it back to the file' }),
      ...(unit === undefined ? {} : { unit }),
    });
  };
  compare('cpus.count', attrs.cpus.count, shape.cpus, planned.cpus.count);
  compare('cpus.max', attrs.cpus.max, shape.cpusMax, planned.cpus.max);
  compare('memory.size', attrs.memory.sizeBytes, shape.memoryBytes, planned.memory.sizeBytes, 'bytes');
  compare('memory.max', attrs.memory.maxBytes, shape.memoryMaxBytes, planned.memory.maxBytes, 'bytes');
  for (const name of Object.keys(attrs.disks)) {
    if (shape.disks[name] !== undefined) continue;
    const remedy = planned.disks[name] === undefined ? {} : { remedy: 'attach it again' };
    found.push({ field: `disks.${name}`, recorded: shown('attached'), observed: absent, ...remedy });
  }
  for (const [name, nic] of Object.entries(attrs.nics))
    compare(`networks.${name}`, nic.mac, shape.nics[name], planned.nics[name]?.mac);
  return found;
}

/**
 * What was changed behind our back. Not what the file asks for where an apply was cut short: that was sbx itself, before it
 * could record it.
 */
export function shapeDrift(record: VmRecord, observation: VmObservation, planned: VmAttrs): readonly Drift[] {
  return differencesOf(record, observation, planned).flatMap(({ remedy, ...difference }) => {
    if (remedy === undefined && record.pending !== undefined) return [];
    return [{ address: record.address, ...difference, remedy: remedy ?? 'none: the file asks for the same now' }];
  });
}

/** What is as the file wants it and only not recorded so: an apply was cut short, or somebody else did it. */
export function unrecordedFields(
  record: VmRecord,
  observation: VmObservation,
  planned: VmAttrs,
): readonly FieldChange[] {
  return differencesOf(record, observation, planned).flatMap(({ remedy, field, recorded, observed, unit }) => {
    if (remedy !== undefined) return [];
    const price = { impact: 'live', reason: 'it is so already, and is only recorded' } as const;
    return [{ field, from: recorded, to: observed, ...price, ...(unit === undefined ? {} : { unit }) }];
  });
}
