// What a VM is to the planner: made, changed while it runs, restarted, replaced, removed.
import { type Address, kindOf } from '../../core/address.ts';
import { diagnostic } from '../../core/diagnostic.ts';
import { holdsGuest, type VmObservation } from '../../core/observed.ts';
import { free, highestImpact, idsOf, waysOf, worse } from '../../core/plan/change.ts';
import { type KindRules, noOutcome, type Outcome, type PlanContext, type Subject } from '../../core/plan/context.ts';
import type { Drift, FieldChange, Impact } from '../../core/plan/plan.ts';
import { covers } from '../../core/plan/targets.ts';
import { absent, isSame, shown } from '../../core/plan/values.ts';
import type { VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import { formatSize } from '../../core/units.ts';
import { costOf, impactTable } from '../impacts.ts';
import { asItBoots, toVmAttrs, vmDependsOn } from './attrs.ts';
import { fieldChanges, priorAttrs, shapeDrift, shapeOf, unrecordedFields } from './diff.ts';
import { linkStateOf } from './links.ts';
import { leastImpact, priceOf } from './price.ts';
import { type RunState, resumeRoomBytes, runStateOf } from './run-state.ts';
import { bringUpSteps, lostDisks, removeSteps, shallRun, stopStep } from './steps.ts';
import { updateSteps } from './update.ts';

type VmSubject = Subject<VmAttrs, VmRecord>;

export const vmRules: KindRules<'vm'> = {
  toAttrs: toVmAttrs,
  dependsOn: vmDependsOn,
  plan: (subject, context) => {
    const { attrs, record, address } = subject;
    if (attrs === undefined) return record === undefined ? noOutcome : remove(record, context);
    if (record === undefined) return create(subject, attrs, context);
    const observation = context.observed.vms.get(address) ?? { state: 'absent' };
    if (record.status !== 'ready' && context.options.only) return refusePower(record, context);
    if (record.status !== 'ready')
      return createAgain(subject, asItBoots(address, attrs, context), record, observation, context);
    return change(subject, attrs, record, observation, context);
  },
};

function creation(subject: VmSubject, attrs: VmAttrs): VmRecord {
  const { address, dependsOn } = subject;
  return { kind: 'vm', address, status: 'creating', attrs, facts: {}, dependsOn };
}

function create(subject: VmSubject, attrs: VmAttrs, context: PlanContext): Outcome {
  const { address } = subject;
  const [first, ...rest] = bringUpSteps({ address, attrs, context, needs: [] });
  // Whichever step comes first in the journal must introduce the record: they may run in any order.
  const before = creation(subject, attrs);
  const steps =
    first === undefined ? [] : [first, ...rest].map((step) => (step.needs.length === 0 ? { ...step, before } : step));
  const fields = creationFields(attrs);
  return {
    steps,
    drift: [],
    change: { action: 'create', address, fields, resumes: false, steps: idsOf(steps), price: free },
  };
}

function creationFields(attrs: VmAttrs): readonly FieldChange[] {
  const field = (name: string, value: unknown, unit?: 'bytes'): FieldChange => {
    return {
      field: name,
      from: absent,
      to: shown(value),
      impact: 'live',
      reason: 'new',
      ...(unit === undefined ? {} : { unit }),
    };
  };
  const readyFields = attrs.ready === null ? [] : [field('ready', attrs.ready)];
  return [
    field('image', attrs.image),
    field('cpus', attrs.cpus.count),
    field('memory', attrs.memory.sizeBytes, 'bytes'),
    ...Object.entries(attrs.disks).map(([name, disk]) =>
      field(`disks.${name}`, disk.sizeBytes ?? disk.type, disk.sizeBytes === null ? undefined : 'bytes'),
    ),
    ...Object.entries(attrs.nics).map(([name, nic]) => field(`networks.${name}`, nic.ip)),
    ...(shallRun(attrs) ? readyFields : [field('state', 'stopped')]),
  ];
}

/** An earlier creation or replacement that did not end: what is there goes, then it is made. */
function createAgain(
  subject: VmSubject,
  attrs: VmAttrs,
  record: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): Outcome {
  const { address } = subject;
  const steps = remake(subject, attrs, record, context);
  const was = observation.state === 'absent' ? 'was not finished' : `was not finished and is ${observation.state}`;
  // Disks that no guest ever had hold nothing but their image.
  const used = record.status === 'deleting' || observation.state !== 'absent';
  const price = { ...priceOf(steps, record, observation, context), ...(used ? {} : { lostDisks: [] }), touches: [] };
  const impact = leastImpact(steps, price, observation);
  const field: FieldChange = {
    field: 'creation',
    from: shown(was),
    to: shown('ready'),
    impact,
    reason: 'an earlier apply was cut short',
  };
  const common = { address, fields: [field], resumes: true, steps: idsOf(steps), price };
  return {
    steps,
    drift: [],
    change: { action: 'create', ...common, ...(impact === 'live' ? {} : { impact }) },
  };
}

/** Stop, remove, make again. */
function remake(subject: VmSubject, attrs: VmAttrs, record: VmRecord, context: PlanContext): Outcome['steps'] {
  const { address } = subject;
  const stop = stopStep(address, { before: { ...record, status: 'deleting' } });
  const { attrs: fresh, status, dependsOn } = creation(subject, attrs);
  const after = { type: 'patched', status, attrs: fresh, dependsOn, drops: ['owes'] } as const;
  const removal = removeSteps(record, stop, after, context);
  const cleared = [stop, ...removal];
  return [...cleared, ...bringUpSteps({ address, attrs, context, needs: cleared })];
}

/** Everything in which a VM is not what it shall be. */
interface Comparison {
  readonly alive: boolean;
  readonly prior: VmAttrs;
  readonly run: RunState;
  readonly unplugged: readonly string[];
  readonly fields: readonly FieldChange[];
  readonly drift: readonly Drift[];
  /** How all of it is carried out */
  readonly way: Impact;
  /** Why it is replaced though no field asks for it */
  readonly forced: string | undefined;
}

function compare(
  subject: VmSubject,
  attrs: VmAttrs,
  record: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): Comparison {
  const alive = shapeOf(observation) !== undefined;
  const prior = priorAttrs(record, observation);
  const run = runStateOf(attrs, record, observation, context);
  const links = alive && run.need !== 'stop' ? linkStateOf(record, context) : { fields: [], drift: [], unplugged: [] };
  const lost = holdsGuest(observation) ? lostVolumes(record, attrs, context) : [];
  const fields = [
    ...fieldChanges(prior, attrs, record, context, alive),
    ...unrecordedFields(record, observation, attrs),
    ...needsChange(subject, record),
    ...lost.map(lostField),
    ...run.fields,
    ...links.fields,
  ];
  const drift = [...lost, ...shapeDrift(record, observation, attrs), ...run.drift, ...links.drift];
  const forced = forcedReplacement(subject, attrs, record, context);
  return { alive, prior, run, unplugged: links.unplugged, fields, drift, way: waysOf(fields), forced };
}

function change(
  subject: VmSubject,
  attrs: VmAttrs,
  record: VmRecord,
  observation: VmObservation,
  context: PlanContext,
): Outcome {
  const { address } = subject;
  const found = compare(subject, attrs, record, observation, context);
  const { fields, drift, way, forced, run, alive } = found;
  if (fields.length === 0 && forced === undefined) {
    if (run.need === 'room') waitsForRoom(address, context);
    return { steps: [], drift };
  }
  const fresh = boots(found) ? asItBoots(address, attrs, context) : attrs;
  if (fresh !== attrs) return change(subject, fresh, record, observation, context);
  const refused = refusedWhile(record, found, observation, context);
  if (refused !== undefined) return refused;
  if (way === 'replace' || forced !== undefined)
    return replacement(subject, attrs, record, found, observation, context);
  const restart = way === 'restart';
  const { prior, unplugged } = found;
  const { dependsOn } = subject;
  const steps = updateSteps({ attrs, dependsOn, prior, record, run, unplugged, context, alive, restart });
  const price = priceOf(steps, record, observation, context);
  const impact = worse(highestImpact(fields), leastImpact(steps, price, observation));
  const through = impact === 'replace' ? { through: way } : {};
  const common = { address, fields, impact, ...through, steps: idsOf(steps), price };
  return { steps, drift, change: { action: 'update', ...common } };
}

function boots({ way, forced, run }: Comparison): boolean {
  if (forced !== undefined || way === 'restart' || way === 'replace') return true;
  return run.need === 'start' || run.need === 'restart';
}

function replacement(
  subject: VmSubject,
  attrs: VmAttrs,
  record: VmRecord,
  { fields, drift, forced }: Comparison,
  observation: VmObservation,
  context: PlanContext,
): Outcome {
  const { address } = subject;
  if (attrs.lifecycle.preventDestroy) refuse(record, context, 'would be replaced');
  const steps = remake(subject, attrs, record, context);
  const touches = context.dependants(address);
  const price = { ...priceOf(steps, record, observation, context), touches };
  const because = forced === undefined ? {} : { because: forced };
  return { steps, drift, change: { action: 'replace', address, fields, ...because, steps: idsOf(steps), price } };
}

/** VMs that come first. Images, volumes and networks that are needed follow from other fields. */
function needsChange({ dependsOn }: VmSubject, record: VmRecord): readonly FieldChange[] {
  const vms = (needs: readonly Address[]): readonly Address[] => needs.filter((need) => kindOf(need) === 'vm').sort();
  const [from, to] = [vms(record.dependsOn), vms(dependsOn)];
  if (isSame(from, to)) return [];
  const cost = costOf(impactTable['vms.*.depends_on'].cases.changed);
  return [{ field: 'depends_on', from: shown(from), to: shown(to), ...cost }];
}

/** Volumes whose file is gone: a living VM goes on writing to what nobody can read any more. */
function lostVolumes(
  { address, attrs: { disks } }: VmRecord,
  planned: VmAttrs,
  context: PlanContext,
): readonly Drift[] {
  return Object.entries(disks).flatMap(([name, disk]) => {
    if (disk.type !== 'volume' || planned.disks[name] === undefined) return [];
    if (context.observed.volumes.get(disk.volume)?.present !== false) return [];
    const remedy = 'restart the VM on the new volume';
    return [{ address, field: `disks.${name}`, recorded: shown('present'), observed: absent, remedy }];
  });
}

function lostField({ field, recorded, observed }: Drift): FieldChange {
  const reason = 'its volume is made anew: what only this VM can still read is lost';
  return { field, from: observed, to: recorded, impact: 'replace', through: 'restart', reason };
}

function forcedReplacement(
  subject: VmSubject,
  attrs: VmAttrs,
  record: VmRecord,
  context: PlanContext,
): string | undefined {
  if (context.options.replace.some((named) => covers(named, subject.address))) return 'asked for with --replace';
  const trigger = attrs.lifecycle.replaceTriggeredBy.find((other) => context.changes(other));
  if (trigger !== undefined) return `${trigger} changes (replace_triggered_by)`;
  if (context.options.only) return undefined;
  const owed = attrs.lifecycle.replaceTriggeredBy.find((other) => record.facts.owes?.includes(other));
  return owed === undefined ? undefined : `${owed} changed before, and this was left out (replace_triggered_by)`;
}

/** What a person must do for a guest that is held for want of room. */
function waitsForRoom(address: Address, context: PlanContext): void {
  const detail = `A write of ${address} to its disk failed for want of room, and its VMM holds it until there is some.`;
  const hint = `Free at least ${formatSize(resumeRoomBytes)} on the disk of the home and apply again: it goes on where it was.`;
  context.report(diagnostic('SBX3131', { address, detail, hint }));
}

/** Changes of a VM that cannot follow them now, and is not to be ended for them. */
function refusedWhile(
  record: VmRecord,
  { run, way, forced, drift }: Comparison,
  observation: VmObservation,
  context: PlanContext,
): Outcome | undefined {
  if (forced !== undefined) return undefined;
  if (run.need === 'room' && (way === 'live' || way === 'next-boot')) return refuseHeld(record, drift, context);
  const silent = observation.state === 'unresponsive' && observation.atWork === true && run.need === 'nothing';
  return silent ? refuseSilent(record, observation.reason, drift, context) : undefined;
}

function refuseHeld({ address }: VmRecord, drift: readonly Drift[], context: PlanContext): Outcome {
  const detail = `${address} is held, since its disk has no room, and cannot be changed while it is.`;
  const hint = `Free at least ${formatSize(resumeRoomBytes)} on the disk of the home, or end it without its last writes:\nsbx stop ${address}`;
  context.report(diagnostic('SBX3132', { address, detail, hint }));
  return { steps: [], drift };
}

function refuse(record: VmRecord, context: PlanContext, what: string): void {
  const { address } = record;
  const detail = `${address} ${what}, and its lifecycle says prevent_destroy.`;
  context.report(
    diagnostic('SBX3130', { address, detail, hint: 'Set lifecycle.prevent_destroy to false if you mean it.' }),
  );
}

/** What does not answer can take no change, and what works is not ended for one that it may take in a moment. */
function refuseSilent({ address }: VmRecord, reason: string, drift: readonly Drift[], context: PlanContext): Outcome {
  const detail = `${address} is to be changed and does not say what it has now: ${reason}.`;
  const hint = `Plan again when the host is less busy, or end it and start it anew with:\nsbx restart ${address}`;
  context.report(diagnostic('SBX3119', { address, detail, hint }));
  return { steps: [], drift };
}

/** A power command makes nothing whole and takes nothing away. */
function refusePower({ address, status }: VmRecord, context: PlanContext): Outcome {
  const what = status === 'deleting' ? 'removal' : 'creation';
  const detail = `An earlier apply was cut short, and the ${what} of ${address} is not finished.`;
  context.report(diagnostic('SBX3142', { address, detail, hint: 'Finish it with:\nsbx apply' }));
  return noOutcome;
}

function remove(record: VmRecord, context: PlanContext): Outcome {
  const { address } = record;
  if (record.attrs.lifecycle.preventDestroy) refuse(record, context, 'would be destroyed');
  const requires = context.dependants(address).map((dependant) => {
    // Who stays may be waiting for what this one holds: it must only have left its old life behind.
    const stays = context.plannedAttrs(dependant) !== undefined;
    return { address: dependant, point: stays ? ('released' as const) : ('gone' as const) };
  });
  const stop = stopStep(address, { before: { ...record, status: 'deleting' }, requires });
  const steps = [stop, ...removeSteps(record, stop, { type: 'removed' }, context)];
  const because = context.mode === 'destroy' ? 'the sandbox goes' : 'the file no longer declares it';
  // Those that go as well need no word.
  const touches = context.dependants(address).filter((user) => context.plannedAttrs(user) !== undefined);
  const price = { downtimeMs: 0, lostDisks: lostDisks(record.attrs.disks, () => false), touches };
  return { steps, drift: [], change: { action: 'delete', address, because, steps: idsOf(steps), price } };
}
