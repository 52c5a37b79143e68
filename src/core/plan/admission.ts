// Known before it fails: what this host cannot give to the plan.
import type { Address } from '../address.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import type { SandboxAttrs, VmAttrs } from '../state/attrs.ts';
import type { Attrs } from '../state/state.ts';
import { formatSize } from '../units.ts';
import type { Outcome, PlanInputs } from './context.ts';
import type { Step } from './steps.ts';

/** Every reason why this host cannot carry the plan out, all at once. */
export function admit(
  inputs: PlanInputs,
  planned: ReadonlyMap<Address, Attrs>,
  outcomes: ReadonlyMap<Address, Outcome>,
): readonly Diagnostic[] {
  if (inputs.mode === 'destroy') return [];
  const starts = [...outcomes.values()]
    .flatMap((outcome) => outcome.steps)
    .filter((step) => step.action.op === 'vm.start');
  return [
    ...memory(inputs, starts),
    ...driver(inputs, starts),
    ...sizes(inputs, planned, starts),
    ...ports(inputs, planned),
    ...programs(inputs, outcomes),
  ];
}

function attrsOf(step: Pick<Step, 'action'>): VmAttrs | undefined {
  return step.action.op === 'vm.start' ? step.action.attrs : undefined;
}

function memory(inputs: PlanInputs, starts: readonly Pick<Step, 'action' | 'address'>[]): readonly Diagnostic[] {
  const freed = starts.reduce((sum, step) => {
    const seen = inputs.observed.vms.get(step.address);
    return sum + (seen?.state === 'running' || seen?.state === 'paused' ? seen.memoryBytes : 0);
  }, 0);
  const asked = starts.reduce((sum, step) => sum + (attrsOf(step)?.memory.sizeBytes ?? 0), 0);
  const available = inputs.observed.host.memoryAvailableBytes + freed;
  if (asked <= available) return [];
  const detail = `The VMs to start ask for ${formatSize(asked)}, and this host has ${formatSize(available)} available.`;
  return [diagnostic('SBX3101', { detail, hint: 'Make memory.size smaller, or stop something else.' })];
}

function driver(inputs: PlanInputs, starts: readonly Pick<Step, 'action' | 'address'>[]): readonly Diagnostic[] {
  const capabilities = inputs.driver?.chosen;
  if (starts.length === 0) return [];
  if (capabilities === undefined) {
    const detail = 'No VMM of this host can run the VMs of this file.';
    return [diagnostic('SBX3102', { detail, hint: 'See what is missing with:\nsbx doctor' })];
  }
  const { connectivity, connectivityReason } = inputs.observed.host;
  if (connectivity === 'namespace') return [];
  const reason = connectivityReason ?? 'network namespaces are not allowed here';
  if (!capabilities.userNetwork) {
    const detail = `${capabilities.driver} needs a network namespace for the sandbox: ${reason}.`;
    return [diagnostic('SBX3103', { detail, hint: 'Use --vmm qemu, or allow user namespaces. See:\nsbx doctor' })];
  }
  const detail = `Each VM gets a user network of its own: it reaches the world, but no other VM (${reason}).`;
  return [diagnostic('SBX3104', { detail, hint: 'What to allow says:\nsbx doctor' })];
}

function sizes(
  inputs: PlanInputs,
  _planned: ReadonlyMap<Address, Attrs>,
  starts: readonly Pick<Step, 'action' | 'address'>[],
): readonly Diagnostic[] {
  const capabilities = inputs.driver?.chosen;
  if (capabilities === undefined) return [];
  const found: Diagnostic[] = [];
  for (const step of starts) {
    const attrs = attrsOf(step);
    if (attrs === undefined) continue;
    const { address } = step;
    const say = (detail: string, hint: string): void => {
      found.push(diagnostic('SBX3105', { address, detail: `${address}: ${detail}`, hint }));
    };
    const { memory: sizesOf, cpus } = attrs;
    const who = `${capabilities.driver} ${capabilities.version}`;
    if (sizesOf.sizeBytes < capabilities.memoryMinBytes)
      say(
        `${who} boots no guest in ${formatSize(sizesOf.sizeBytes)}.`,
        `Give it at least ${formatSize(capabilities.memoryMinBytes)}.`,
      );
    const growing = sizesOf.maxBytes - sizesOf.sizeBytes;
    if (growing % capabilities.memoryStepBytes !== 0)
      say(
        `memory grows in steps of ${formatSize(capabilities.memoryStepBytes)} with ${who}, and memory.max is not a whole number of them above memory.size.`,
        'Choose another memory.max.',
      );
    if (cpus.max > capabilities.cpusMax) say(`${who} has at most ${capabilities.cpusMax} vCPUs.`, 'Lower cpus.max.');
    const devices = Object.keys(attrs.disks).length + Object.keys(attrs.nics).length;
    if (devices > capabilities.devicesMax)
      say(`${devices} disks and networks are more than the ${capabilities.devicesMax} of ${who}.`, 'Use fewer.');
  }
  return found;
}

function ports(inputs: PlanInputs, planned: ReadonlyMap<Address, Attrs>): readonly Diagnostic[] {
  const attrs = planned.get('sandbox' as Address) as SandboxAttrs | undefined;
  const record = inputs.state?.resources.find((resource) => resource.kind === 'sandbox');
  const ours = new Set(
    record?.kind === 'sandbox'
      ? record.attrs.forwards.map((forward) => `${forward.hostIp}:${forward.hostPort}/${forward.protocol}`)
      : [],
  );
  const found: Diagnostic[] = [];
  for (const forward of attrs?.forwards ?? []) {
    const key = `${forward.hostIp}:${forward.hostPort}/${forward.protocol}`;
    if (ours.has(key)) continue;
    const who = inputs.observed.host.reserved.get(key);
    const anywhere = `0.0.0.0:${forward.hostPort}/${forward.protocol}`;
    const taken = inputs.observed.host.listeners.has(key) || inputs.observed.host.listeners.has(anywhere);
    if (who === undefined && !taken) continue;
    const detail = who === undefined ? `Another program listens on ${key}.` : `Sandbox ${who} has published ${key}.`;
    const hint = `Choose another port, or let sbx pick one: "auto:${forward.guestPort}".`;
    found.push(diagnostic('SBX3106', { address: forward.vm, detail, hint }));
  }
  return found;
}

function programs(inputs: PlanInputs, outcomes: ReadonlyMap<Address, Outcome>): readonly Diagnostic[] {
  if (![...outcomes.values()].some((outcome) => outcome.change !== undefined)) return [];
  return inputs.observed.host.missing.map(({ program, package: name, why }) =>
    diagnostic('SBX3107', {
      detail: `${program} is not installed; it is needed ${why}.`,
      hint: `Install the package that has it:\nsudo apt-get install ${name}`,
    }),
  );
}
