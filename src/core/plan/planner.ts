// The planner: a pure function of what is desired, recorded and observed, and of what the driver can do.
import { type Address, kindOf, sandboxAddress } from '../address.ts';
import { type Checked, checkedFrom } from '../checked.ts';
import type { DesiredResource } from '../desired.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Attrs, ResourceRecord } from '../state/state.ts';
import { admit } from './admission.ts';
import { highestImpact, worse } from './change.ts';
import type { DraftStep, Outcome, PlanContext, PlanInputs, RulesTable, Subject } from './context.ts';
import { giversOf, type Holder, handOver, neverHandedOver } from './hand-over.ts';
import { holdingsOf } from './holdings.ts';
import { resolveSteps, sortSteps } from './order.ts';
import { outputChanges } from './outputs.ts';
import { type WithOwed, withOwed } from './owed.ts';
import type { Change, Drift, Impact, Plan } from './plan.ts';
import { selectTargets, unknownAddresses } from './targets.ts';
import { recordedUses } from './uses.ts';

/** Order in which attributes are made: each kind may look at the ones before it. */
const attrOrder = { image: 0, volume: 1, network: 2, vm: 3, sandbox: 4 } as const;
/** Order in which changes are shown and `replace_triggered_by` is followed. */
const planOrder = { sandbox: 0, image: 1, volume: 2, network: 3, vm: 4 } as const;

/** Makes a plan. Fails with everything that stands in its way, all at once. */
export function planSandbox(inputs: PlanInputs, rules: RulesTable): Checked<Plan> {
  const found: Diagnostic[] = [];
  const survey = surveyOf(inputs, rules, found);
  const outcomes = outcomesOf(survey, rules);
  if (!inputs.options.only) found.push(...unknownAddresses(outcomes, inputs.options));
  const selected = selectTargets(outcomes, inputs.options, survey.dependsOn, givers(outcomes, survey, inputs));
  const drafts = [...selected.values()].flatMap((outcome) => outcome.steps);
  found.push(...admit(inputs, survey.planned, selected), ...neverHandedOver(drafts, keepers(survey)));
  // What is not planned stands in nobody's way.
  const ours = found.filter(({ address }) => address === undefined || selected.has(address));
  return checkedFrom(() => assemble(inputs, survey, selected, drafts, ours), ours);
}

/** Who has what is taken, where only a part of the plan is wanted. */
function givers(
  outcomes: ReadonlyMap<Address, Outcome>,
  { records }: Survey,
  inputs: PlanInputs,
): ReadonlyMap<Address, readonly Address[]> {
  if (inputs.options.targets.length === 0) return new Map();
  const steps = [...outcomes.values()].flatMap((outcome) => outcome.steps);
  return giversOf(steps, recordedHolders(records, inputs));
}

/** Who has what now, as far as it is recorded. */
function* recordedHolders(
  records: ReadonlyMap<Address, ResourceRecord>,
  { observed }: Pick<PlanInputs, 'observed'>,
): Generator<Holder> {
  for (const { address, attrs, status, pending } of records.values()) {
    // What a start takes is recorded when it is done. What never ran, or is to be made again, has what its record says.
    const cut = pending?.op === 'vm.start' && status === 'ready';
    const state = cut ? observed.vms.get(address)?.state : undefined;
    const maybeMore = state === 'running' || state === 'paused' || state === 'unresponsive';
    yield { address, holdings: holdingsOf(attrs), maybeMore };
  }
}

/** Who will go on having what the file does not give it: nobody else can have anything twice, the file was checked for that. */
function* keepers({ planned }: Survey): Generator<Holder> {
  for (const [address, attrs] of planned)
    if ('lifecycle' in attrs && attrs.lifecycle.ignoreChanges.length > 0)
      yield { address, holdings: holdingsOf(attrs) };
}

interface Survey {
  readonly context: PlanContext;
  readonly records: ReadonlyMap<Address, ResourceRecord>;
  readonly planned: ReadonlyMap<Address, Attrs>;
  readonly dependsOn: (address: Address) => readonly Address[];
  readonly changed: Set<Address>;
}

function surveyOf(inputs: PlanInputs, rules: RulesTable, found: Diagnostic[]): Survey {
  const records = new Map((inputs.state?.resources ?? []).map((record) => [record.address, record]));
  const nothing: ReadonlyMap<Address, DesiredResource> = new Map();
  const { holds, only } = inputs.options;
  // A power command plans what is recorded: what the file says by now is for the next apply.
  const desired = inputs.mode === 'destroy' || only ? nothing : (inputs.desired?.resources ?? nothing);
  const planned = new Map<Address, Attrs>();
  const needs = new Map<Address, readonly Address[]>();
  const users = new Map<Address, Set<Address>>();
  const changed = new Set<Address>();
  const context: PlanContext = {
    mode: inputs.mode,
    observed: inputs.observed,
    capabilities: inputs.driver?.chosen,
    hash: inputs.hash,
    options: inputs.options,
    desired,
    plannedAttrs: (address) => planned.get(address),
    record: (address) => records.get(address),
    dependants: (address) => [...(users.get(address) ?? [])],
    changes: (address) => changed.has(address),
    report: (diagnostic) => found.push(diagnostic),
  };
  const use = (user: Address, used: Address): void => {
    const set = users.get(used);
    if (set === undefined) users.set(used, new Set([user]));
    else set.add(user);
  };
  const inAttrOrder = [...desired.values()].sort((a, b) => attrOrder[a.kind] - attrOrder[b.kind]);
  for (const resource of inAttrOrder) {
    const kind = rulesFor(rules, resource.address);
    const attrs = kind.toAttrs(resource, context);
    planned.set(resource.address, attrs);
    const dependsOn = kind.dependsOn(resource, attrs);
    needs.set(resource.address, dependsOn);
    for (const used of dependsOn) use(resource.address, used);
  }
  if (only) for (const record of records.values()) planned.set(record.address, heldAttrs(record, holds));
  for (const [user, used] of recordedUses(records)) use(user, used);
  return {
    context,
    records,
    planned,
    dependsOn: (address) => needs.get(address) ?? records.get(address)?.dependsOn ?? [],
    changed,
  };
}

function heldAttrs(record: ResourceRecord, holds: ReadonlyMap<Address, boolean>): Attrs {
  if (record.kind !== 'vm') return record.attrs;
  return { ...record.attrs, hold: holds.get(record.address) ?? record.attrs.hold };
}

/** Rules of an address's kind, with the kind forgotten: each gets only its own attributes and records. */
function rulesFor(rules: RulesTable, address: Address): AnyRules {
  return rules[kindOf(address)] as unknown as AnyRules;
}

interface AnyRules {
  readonly toAttrs: (desired: DesiredResource, context: PlanContext) => Attrs;
  readonly dependsOn: (desired: DesiredResource, attrs: Attrs) => readonly Address[];
  readonly plan: (subject: Subject<Attrs, ResourceRecord>, context: PlanContext) => Outcome;
}

function outcomesOf(survey: Survey, rules: RulesTable): Map<Address, Outcome> {
  const { context, records, planned } = survey;
  const addresses = [...new Set([...context.desired.keys(), ...records.keys()])];
  const sorted = addresses.sort((a, b) => planOrder[kindOf(a)] - planOrder[kindOf(b)]);
  const outcomes = new Map<Address, Outcome>();
  const decide = (address: Address): void => {
    const subject = {
      address,
      attrs: planned.get(address),
      record: records.get(address),
      dependsOn: survey.dependsOn(address),
    };
    const outcome = rulesFor(rules, address).plan(subject, context);
    if (triggers(outcome)) survey.changed.add(address);
    outcomes.set(address, outcome);
  };
  for (const address of sorted) decide(address);
  followTriggers(outcomes, survey, decide);
  return outcomes;
}

/** Whether others that name this one in `replace_triggered_by` follow: new things and repairs are no reason. */
function triggers({ change, drift }: Outcome): boolean {
  if (change?.action === 'replace') return true;
  if (change?.action !== 'update') return false;
  const drifted = new Set(drift.map(({ field }) => field));
  return change.fields.some(({ field }) => !drifted.has(field));
}

/** VMs may be triggered by VMs that were decided after them: those are decided again, until nothing follows any more. */
function followTriggers(
  outcomes: ReadonlyMap<Address, Outcome>,
  { context, changed }: Survey,
  decide: (address: Address) => void,
): void {
  const vms = [...context.desired.values()].flatMap((resource) =>
    resource.kind === 'vm' && resource.lifecycle.replaceTriggeredBy.length > 0 ? [resource] : [],
  );
  for (let again = vms.length > 0; again; ) {
    again = false;
    for (const { address, lifecycle } of vms) {
      const action = outcomes.get(address)?.change?.action;
      if (action === 'replace' || action === 'create') continue;
      if (!lifecycle.replaceTriggeredBy.some((other) => changed.has(other))) continue;
      decide(address);
      again = true;
    }
  }
}

function assemble(
  inputs: PlanInputs,
  survey: Survey,
  outcomes: ReadonlyMap<Address, Outcome>,
  drafts: readonly DraftStep[],
  found: readonly Diagnostic[],
): Plan {
  const changes: Change[] = [];
  const drift: Drift[] = [];
  for (const outcome of outcomes.values()) {
    if (outcome.change !== undefined) changes.push(outcome.change);
    drift.push(...outcome.drift);
  }
  const { steps, noted } = stepsOf(inputs, survey, outcomes, drafts);
  const all = changes.map((change) => ({ ...change, steps: [...(noted.get(change.address) ?? []), ...change.steps] }));
  const removals = all.filter(isRemoval);
  const { state } = inputs;
  return {
    format_version: 1,
    sandbox: sandboxOf(inputs),
    ...(state === undefined ? {} : { prior: { lineage: state.lineage, serial: state.serial } }),
    mode: inputs.mode,
    ...(inputs.driver === undefined ? {} : { driver: inputs.driver }),
    changes: [...all.filter((change) => !isRemoval(change)), ...removals],
    drift,
    unchanged: outcomes.size - changes.length,
    steps: sortSteps(steps),
    outputs: inputs.options.targets.length > 0 ? [] : outputChanges(inputs, survey.context.hash),
    impact:
      changes.length === 0 ? null : changes.reduce<Impact>((impact, change) => worse(impact, impactOf(change)), 'live'),
    warnings: found.filter((diagnostic) => diagnostic.severity === 'warning'),
  };
}

function stepsOf(
  inputs: PlanInputs,
  survey: Survey,
  outcomes: ReadonlyMap<Address, Outcome>,
  drafts: readonly DraftStep[],
): WithOwed {
  const steps = handOver(resolveSteps(drafts), recordedHolders(survey.records, inputs));
  const changed = new Set([...survey.changed].filter((address) => outcomes.has(address)));
  return withOwed(steps, { desired: survey.context.desired, records: survey.records, changed });
}

function isRemoval(change: Change): boolean {
  return change.action === 'delete' || change.action === 'forget';
}

/** What a change costs at most. Removing what runs counts as replace: something is lost. */
export function impactOf(change: Change): Impact {
  switch (change.action) {
    case 'create':
      return change.impact ?? 'live';
    case 'forget':
      return 'live';
    case 'update':
      return worse(change.impact, highestImpact(change.fields));
    case 'replace':
    case 'delete':
      return 'replace';
  }
}

function sandboxOf(inputs: PlanInputs): Plan['sandbox'] {
  const from = inputs.desired ?? inputs.state;
  const instance = from?.instance;
  return { name: from?.name ?? sandboxAddress, ...(instance === undefined ? {} : { instance }) };
}
