// Inverse steps: what takes an apply back that failed, made of what its journal says was begun. Pure.
import { type Address, kindOf, sandboxAddress } from '../address.ts';
import { assertNever } from '../errors.ts';
import { canonicalJson } from '../json.ts';
import type { NicAttrs, VmAttrs } from '../state/attrs.ts';
import type { AfterStep, JournalRecord } from '../state/journal.ts';
import type { ResourceRecord } from '../state/state.ts';
import { afterOf } from './change.ts';
import { type Holder, handOver, takings } from './hand-over.ts';
import { holdingsOf, takenBy } from './holdings.ts';
import type { ActionOf, Step, StepAction } from './steps.ts';
import { recordedUses } from './uses.ts';

/** How long a guest that is taken back gets to power itself off in `ms`; one that is new gets no time. */
const graceMs = 10_000;

export interface InverseInputs {
  /** Steps of the plan that was carried out */
  readonly steps: readonly Step[];
  /** What this apply wrote into the journal, in order */
  readonly records: readonly JournalRecord[];
  /** Records as they were before this apply */
  readonly prior: ReadonlyMap<Address, ResourceRecord>;
  /** Records as they are now */
  readonly now: ReadonlyMap<Address, ResourceRecord>;
}

export interface Inverse {
  /** Newest first: what was made last goes first, and what others stand on goes after them */
  readonly steps: readonly Step[];
  /** Addresses that stay as they are, with the reason in words for users */
  readonly kept: ReadonlyMap<Address, string>;
}

/** What undoes one step, in order; or why nothing does. */
export type Undo = { readonly actions: readonly StepAction[] } | { readonly reason: string };

/** The steps that take an apply back. An address that cannot be taken back whole is left alone, with all that it needs. */
export function invert(inputs: InverseInputs): Inverse {
  const begun = begunSteps(inputs);
  const order = newestFirst(begun, inputs.steps);
  const chains = new Map(order.map((address) => [address, chainOf(address, begun.get(address) ?? [], inputs)]));
  const kept = keptOf(begun, chains, inputs);
  for (const address of kept.keys()) chains.delete(address);
  const left = order.filter((address) => chains.has(address));
  return { steps: handOver(linked(chains, left, inputs), holdersOf(begun, inputs)), kept };
}

/** Who may have what by now: as it is recorded, and what steps took that were not recorded to the end. */
function* holdersOf(begun: ReadonlyMap<Address, readonly Step[]>, { now }: InverseInputs): Generator<Holder> {
  for (const [address, steps] of begun) {
    const record = now.get(address);
    if (record !== undefined) yield { address, holdings: holdingsOf(record.attrs) };
    for (const { action } of steps) yield { address, holdings: takenBy(action) };
  }
}

/** Steps that the journal says were begun, per address, oldest first. */
function begunSteps({ steps, records }: InverseInputs): ReadonlyMap<Address, readonly Step[]> {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const begun = new Map<Address, Step[]>();
  for (const record of records) {
    const step = record.type === 'begin' ? byId.get(record.step) : undefined;
    if (step === undefined) continue;
    const list = begun.get(step.address);
    if (list === undefined) begun.set(step.address, [step]);
    else list.push(step);
  }
  return begun;
}

/** Addresses with begun steps: each after those whose steps needed one of its own, the newest first otherwise. */
function newestFirst(begun: ReadonlyMap<Address, readonly Step[]>, steps: readonly Step[]): readonly Address[] {
  const users = usersOf(steps);
  const seen = new Set<Address>();
  const order: Address[] = [];
  const visit = (address: Address): void => {
    if (seen.has(address) || !begun.has(address)) return;
    seen.add(address);
    for (const user of users.get(address) ?? []) visit(user);
    order.push(address);
  };
  for (const address of [...begun.keys()].reverse()) visit(address);
  return order;
}

/** Address → addresses with a step that stood on one of its steps; who only waited until it let go does not. */
function usersOf(steps: readonly Step[]): ReadonlyMap<Address, ReadonlySet<Address>> {
  const owner = new Map(steps.flatMap((step) => (isRelease(step.action) ? [] : [[step.id, step.address]])));
  const users = new Map<Address, Set<Address>>();
  for (const step of steps) {
    for (const need of step.needs) {
      const used = owner.get(need);
      if (used === undefined || used === step.address) continue;
      const set = users.get(used);
      if (set === undefined) users.set(used, new Set([step.address]));
      else set.add(step.address);
    }
  }
  return users;
}

function isRelease({ op }: StepAction): boolean {
  return op === 'vm.stop' || op === 'vm.disk-detach' || op === 'vm.tap-remove' || op === 'network.remove';
}

function keptOf(
  begun: ReadonlyMap<Address, readonly Step[]>,
  chains: ReadonlyMap<Address, readonly Step[]>,
  inputs: InverseInputs,
): Map<Address, string> {
  const { prior, now } = inputs;
  const kept = new Map<Address, string>();
  const keep = (address: Address, reason: string): void => {
    if (kept.has(address) || !begun.has(address)) return;
    kept.set(address, reason);
    const record = now.get(address);
    if (record === undefined) return;
    for (const used of record.dependsOn) keep(used, `${address} stays and needs it`);
    if (record.kind === 'vm' || record.kind === 'network') keep(sandboxAddress, `${address} stays and needs it`);
  };
  for (const [address, steps] of begun) {
    const reason = steps.map((step) => reasonOf(step, prior.get(address))).find((text) => text !== undefined);
    if (reason !== undefined) keep(address, reason);
  }
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    const holders = [...holdersOf(begun, inputs)].filter(({ address }) => kept.has(address));
    const chainsLeft = [...chains].filter(([address]) => !kept.has(address));
    for (const { step, holder, holding } of takings(
      chainsLeft.flatMap(([, chain]) => chain),
      holders,
    ))
      keep(step.address, `${holder} stays and has the ${holding.thing}`);
  }
  return kept;
}

function reasonOf(step: Step, prior: ResourceRecord | undefined): string | undefined {
  // What was not whole before is only cleared away; it had nothing that could be lost.
  if (prior === undefined) return undefined;
  if (prior.status !== 'ready')
    return step.after.type === 'removed' ? 'it was on its way out before this apply' : undefined;
  const undo = undoOf(step.action, prior);
  return 'reason' in undo ? undo.reason : undefined;
}

/** The inverse steps of one address, each needing the one before it. */
function chainOf(address: Address, begun: readonly Step[], { prior, now }: InverseInputs): readonly Step[] {
  const before = prior.get(address);
  const actions =
    before?.status === 'ready'
      ? [...distinct(begun.toReversed().flatMap((step) => actionsOf(step.action, before))), record]
      : removal(address, before, begun);
  const after: AfterStep =
    before?.status === 'ready' ? { type: 'patched', status: 'ready', attrs: before.attrs } : { type: 'removed' };
  const steps: Step[] = [];
  for (const action of actions) {
    const last = steps.length === actions.length - 1;
    const first = steps.length === 0;
    steps.push({
      id: `${address}/undo.${action.op}${aboutOf(action)}`,
      address,
      action,
      needs: first ? [] : [steps[steps.length - 1]?.id ?? ''],
      ...(first && before !== undefined && !now.has(address) ? { before } : {}),
      after: last ? after : afterOf(action),
    });
  }
  return steps;
}

const record: StepAction = { op: 'record' };

function actionsOf(action: StepAction, prior: ResourceRecord): readonly StepAction[] {
  const undo = undoOf(action, prior);
  return 'actions' in undo ? undo.actions : [];
}

/** What two steps both ask for is done once, where it is asked for first. */
function distinct(actions: readonly StepAction[]): readonly StepAction[] {
  const seen = new Set<string>();
  return actions.filter((action) => {
    const key = `${action.op}${aboutOf(action)}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

function aboutOf(action: StepAction): string {
  if ('disk' in action) return `:${action.disk}`;
  return 'nic' in action ? `:${action.nic}` : '';
}

/** Clears away what this apply made, or what an earlier one had begun. */
function removal(address: Address, prior: ResourceRecord | undefined, begun: readonly Step[]): readonly StepAction[] {
  switch (kindOf(address)) {
    case 'sandbox':
      return [{ op: 'sandbox.close' }];
    case 'image':
      return [{ op: 'image.release' }];
    case 'network':
      return [{ op: 'network.remove' }];
    case 'volume':
      return [{ op: 'volume.delete', ifUnwritten: true }];
    case 'vm': {
      const started = prior !== undefined || begun.some(({ action }) => action.op === 'vm.start');
      const taps = begun.flatMap(({ action }): StepAction[] => (action.op === 'vm.tap' ? [untapped(action)] : []));
      return [...(started ? [{ op: 'vm.stop', graceMs: 0 } as const] : []), ...taps, { op: 'vm.delete' }];
    }
  }
}

/**
 * Puts the chains behind each other. Records of images come first: VMs that start again boot from them. Otherwise what was made
 * last goes first; a VM takes its things again when all that it stood on is as it was.
 */
function linked(
  chains: ReadonlyMap<Address, readonly Step[]>,
  order: readonly Address[],
  { steps, prior }: InverseInputs,
): readonly Step[] {
  const users = usersOf(steps);
  const isRestored = (address: Address): boolean =>
    kindOf(address) === 'image' && prior.get(address)?.status === 'ready';
  const restored = order.filter(isRestored);
  const others = order.filter((address) => !isRestored(address));
  const images = restored.flatMap((address) => tailOf(chains.get(address)));
  const result: Step[] = restored.flatMap((address) => chains.get(address) ?? []);
  const ground = groundOf(prior, isRestored);
  const known = new Set<string>();
  for (const address of others) {
    const chain = chains.get(address) ?? [];
    const [first] = chain;
    if (first === undefined) continue;
    // Nothing may be left in a namespace that is closed.
    const closes = first.action.op === 'sandbox.close';
    const before = (closes ? others : [...(users.get(address) ?? [])]).filter((user) => user !== address);
    const ends = before.flatMap((user) => tailOf(closes ? chains.get(user) : downOf(chains.get(user))));
    const below = [...images, ...ends.filter((id) => known.has(id))];
    result.push(
      ...placed(
        chain,
        below,
        ground(address).flatMap((used) => tailOf(chains.get(used))),
      ),
    );
    for (const { id } of chain) known.add(id);
  }
  return result;
}

/** A chain whose first step needs `below`, and which takes nothing again before `ground` is there. */
function placed(chain: readonly Step[], below: readonly string[], ground: readonly string[]): readonly Step[] {
  const down = downOf(chain).length;
  return chain.map((step, at) => {
    const needs = at === 0 ? below : step.needs;
    return { ...step, needs: at === down ? [...needs, ...ground] : needs };
  });
}

/** What a resource stood on before, as far as that is undone in a chain of its own. */
function groundOf(
  prior: ReadonlyMap<Address, ResourceRecord>,
  isRestored: (address: Address) => boolean,
): (address: Address) => readonly Address[] {
  const ground = new Map<Address, Address[]>();
  for (const [user, used] of recordedUses(prior)) {
    if (isRestored(used)) continue;
    const list = ground.get(user);
    if (list === undefined) ground.set(user, [used]);
    else list.push(used);
  }
  return (address) => ground.get(address) ?? [];
}

/** The part of a chain that only lets go: for a VM all before it takes something again, else the whole. */
function downOf(chain: readonly Step[] | undefined): readonly Step[] {
  const takes = (chain ?? []).findIndex((step) => isVm(step) && takenBy(step.action).length > 0);
  return takes < 0 ? (chain ?? []) : (chain ?? []).slice(0, takes);
}

function isVm({ address }: Step): boolean {
  return kindOf(address) === 'vm';
}

function tailOf(chain: readonly Step[] | undefined): readonly string[] {
  const last = chain?.at(-1);
  return last === undefined ? [] : [last.id];
}

/** What undoes a step on a resource that was whole before this apply. Repairs of what was broken stay. */
export function undoOf(action: StepAction, prior: ResourceRecord): Undo {
  switch (prior.kind) {
    case 'sandbox':
      return undoOfSandbox(action, prior.attrs);
    case 'network': {
      const { gateway, subnet } = prior.attrs;
      return { actions: [{ op: 'network.ensure', gateway, prefix: Number(subnet.slice(subnet.indexOf('/') + 1)) }] };
    }
    case 'volume':
      if (action.op === 'volume.grow') return { reason: 'a volume is never cut' };
      return action.op === 'volume.delete' ? { reason: 'its content is gone' } : nothing;
    case 'image':
      return nothing;
    case 'vm':
      return undoOfVm(action, prior.attrs);
    default:
      return assertNever(prior);
  }
}

const nothing: Undo = { actions: [] };

function undoOfSandbox(action: StepAction, prior: Extract<ResourceRecord, { kind: 'sandbox' }>['attrs']): Undo {
  const rules: readonly StepAction[] = [
    ...(prior.uplink ? [{ op: 'sandbox.uplink' } as const] : []),
    { op: 'sandbox.rules', attrs: prior },
  ];
  switch (action.op) {
    case 'sandbox.lease':
      return { actions: [{ op: 'sandbox.lease', expiresMs: prior.expiresMs }] };
    case 'sandbox.uplink':
      return prior.uplink ? nothing : { actions: [{ op: 'sandbox.uplink-stop' }] };
    case 'sandbox.uplink-stop':
    case 'sandbox.rules':
      return prior.connectivity === 'user-net' ? nothing : { actions: rules };
    case 'sandbox.close':
      return { reason: 'its namespace, folders and keys are gone' };
    default:
      return nothing;
  }
}

function undoOfVm(action: StepAction, prior: VmAttrs): Undo {
  switch (action.op) {
    case 'vm.disk-create':
      return prior.disks[action.disk] === undefined
        ? { actions: [{ op: 'vm.disk-delete', disk: action.disk }] }
        : nothing;
    case 'vm.tap': {
      const { nic, ip, network } = action;
      const was = prior.nics[nic];
      if (was !== undefined && was.ip === ip && was.network === network) return nothing;
      return { actions: [untapped(action), ...tapped(nic, was)] };
    }
    case 'vm.tap-remove':
      return { actions: tapped(action.nic, prior.nics[action.nic]) };
    case 'vm.seed':
      return undoOfSeed(action.attrs, prior);
    case 'vm.start':
      return { actions: [{ op: 'vm.stop', graceMs }] };
    case 'vm.stop':
      return {
        actions: [{ op: 'vm.stop', graceMs }, ...(runs(prior) ? [{ op: 'vm.start', attrs: prior } as const] : [])],
      };
    case 'vm.cpus':
      return { actions: [{ op: 'vm.cpus', count: prior.cpus.count }] };
    case 'vm.memory':
      return { actions: [{ op: 'vm.memory', sizeBytes: prior.memory.sizeBytes }] };
    case 'vm.disk-attach':
      return { actions: [{ op: 'vm.disk-detach', disk: action.disk }] };
    case 'vm.disk-detach':
      return { actions: [{ op: 'vm.disk-attach', disk: action.disk, attrs: prior }] };
    case 'vm.disk-grow':
      return { reason: `disk ${action.disk} grew, and a disk is never cut` };
    case 'vm.disk-delete':
      return { reason: `disk ${action.disk} is gone` };
    case 'vm.delete':
      return { reason: 'its disks are gone' };
    default:
      return nothing;
  }
}

function untapped({ nic, network, ip }: ActionOf<'vm.tap'>): StepAction {
  return { op: 'vm.tap-remove', nic, network, ip };
}

function tapped(nic: string, end: NicAttrs | undefined): readonly StepAction[] {
  if (end === undefined) return [];
  const { network, ip, mac } = end;
  return [{ op: 'vm.tap', nic, network, ip, mac }];
}

function runs(attrs: VmAttrs): boolean {
  return attrs.state === 'running' && !attrs.hold;
}

/** A seed holds secrets in the open: earlier ones are kept nowhere. */
function undoOfSeed(attrs: VmAttrs, prior: VmAttrs): Undo {
  const secrets = (of: VmAttrs) => Object.entries(of.env).filter(([, text]) => typeof text !== 'string');
  const same = canonicalJson(secrets(attrs)) === canonicalJson(secrets(prior));
  return same ? { actions: [{ op: 'vm.seed', attrs: prior }] } : { reason: 'its earlier secrets are kept nowhere' };
}
