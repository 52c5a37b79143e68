// Whether apply kept to its plan: calls that the VMMs took against steps, steps against changes.
import type { Address } from '../../src/core/address.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { StepOp } from '../../src/core/plan/steps.ts';
import type { FakeCall } from '../fakes/cloud-hypervisor/install.ts';

const reads = new Set(['vmm.ping', 'vm.info', 'vm.counters']);

/** Which calls a step makes; all of `must`, and `may` beside them. */
const callsOf: { readonly [O in StepOp]?: { readonly must: readonly string[]; readonly may?: readonly string[] } } = {
  'vm.start': { must: ['vm.create', 'vm.boot'] },
  // A VM that does not run needs none of these.
  'vm.stop': { must: [], may: ['vm.power-button', 'vm.resume', 'vm.shutdown', 'vm.delete', 'vmm.shutdown'] },
  'vm.resume': { must: ['vm.resume'] },
  'vm.cpus': { must: ['vm.resize vcpus'] },
  'vm.memory': { must: ['vm.resize ram'] },
  'vm.disk-attach': { must: ['vm.add-disk'] },
  'vm.disk-detach': { must: ['vm.remove-device'] },
  'vm.disk-grow': { must: ['vm.resize-disk'] },
};

/** Calls that no step of the plan names, steps that led to no call, and steps that no line of the plan carries. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: three plain loops over three lists
export function unkept(
  plan: Plan,
  calls: readonly FakeCall[],
  ownerOf: (socket: string) => Address | undefined,
): readonly string[] {
  const problems: string[] = [];
  const made = new Map<string, number>();
  for (const call of calls) {
    if (reads.has(call.action)) continue;
    const owner = ownerOf(call.socket);
    if (owner === undefined) problems.push(`${call.action} on ${call.socket}, which belongs to nothing in the plan`);
    else count(made, `${owner} ${wordsOf(call)}`);
  }
  const named = new Map<string, number>();
  const allowed = new Set<string>();
  for (const { address, action } of plan.steps) {
    const rule = callsOf[action.op];
    for (const call of rule?.must ?? []) count(named, `${address} ${call}`);
    for (const call of rule?.may ?? []) allowed.add(`${address} ${call}`);
  }
  for (const [call, times] of made)
    if (!allowed.has(call) && times > (named.get(call) ?? 0)) problems.push(`${call} was made, and no step names it`);
  for (const [call, times] of named)
    if ((made.get(call) ?? 0) < times) problems.push(`${call} is planned, and was not made`);
  return [...problems, ...unnamedSteps(plan)];
}

/** Every step belongs to a line of the plan, and every line has its steps; only the renewal of the lease is in none. */
function unnamedSteps(plan: Plan): readonly string[] {
  const lines = new Set(plan.changes.flatMap((change) => change.steps));
  const steps = new Set(plan.steps.map((step) => step.id));
  return [
    ...[...steps].filter((id) => !lines.has(id) && id !== 'sandbox/sandbox.lease').map((id) => `${id} is in no change`),
    ...[...lines].filter((id) => !steps.has(id)).map((id) => `${id} is in a change and not in the plan`),
    ...plan.changes.filter((change) => change.steps.length === 0).map((change) => `${change.address} has no steps`),
  ];
}

function wordsOf({ action, body }: FakeCall): string {
  if (action !== 'vm.resize') return action;
  return body?.includes('desired_ram') === true ? 'vm.resize ram' : 'vm.resize vcpus';
}

function count(map: Map<string, number>, key: string): void {
  map.set(key, (map.get(key) ?? 0) + 1);
}
