// Known before it fails: what this host cannot give to the plan.
import type { Address } from '../address.ts';
import type { PublishedPort } from '../desired.ts';
import { type Diagnostic, diagnostic } from '../diagnostic.ts';
import { portIndex } from '../host-ports.ts';
import { hasProcess } from '../observed.ts';
import { roughBytes } from '../render/quantity.ts';
import type { Attrs } from '../state/state.ts';
import { formatSize } from '../units.ts';
import { forwardKey } from '../uplink-ports.ts';
import { admitDisks } from './admission-disks.ts';
import type { Capabilities } from './capabilities.ts';
import type { DraftStep, Outcome, PlanInputs } from './context.ts';
import type { StepAction } from './steps.ts';

type Starting = Extract<StepAction, { readonly op: 'vm.start' }> & { readonly address: Address };

/** Every reason why this host cannot carry the plan out, and what to expect where it can, all at once. */
export function admit(
  inputs: PlanInputs,
  planned: ReadonlyMap<Address, Attrs>,
  outcomes: ReadonlyMap<Address, Outcome>,
): readonly Diagnostic[] {
  if (inputs.mode === 'destroy') return [];
  const steps = [...outcomes.values()].flatMap((outcome) => outcome.steps);
  const starts = steps.flatMap(({ action, address }) => (action.op === 'vm.start' ? [{ ...action, address }] : []));
  return [
    ...memory(inputs, steps, starts),
    ...processors(inputs, steps),
    ...driver(inputs, starts),
    ...sizes(inputs, starts),
    ...admitDisks(inputs, outcomes),
    ...ports(inputs, planned),
    ...programs(inputs, steps),
  ];
}

/** What starts asks for its size, what grows for the difference; what runs now gives its memory back when it restarts. */
function memory(inputs: PlanInputs, steps: readonly DraftStep[], starts: readonly Starting[]): readonly Diagnostic[] {
  const held = (address: Address): number => {
    const seen = inputs.observed.vms.get(address);
    if (seen === undefined || !hasProcess(seen)) return 0;
    if ('memoryBytes' in seen) return seen.memoryBytes;
    const record = inputs.state?.resources.find((one) => one.address === address);
    return record?.kind === 'vm' ? record.attrs.memory.sizeBytes : 0;
  };
  const freed = starts.reduce((sum, { address }) => sum + held(address), 0);
  const started = starts.reduce((sum, { attrs }) => sum + attrs.memory.sizeBytes, 0);
  const grown = steps.reduce(
    (sum, { action, address }) =>
      action.op === 'vm.memory' ? sum + Math.max(0, action.sizeBytes - held(address)) : sum,
    0,
  );
  const asked = started + grown;
  const available = inputs.observed.host.memoryAvailableBytes + freed;
  if (asked <= available) return [];
  const what = grown === 0 ? 'The VMs to start' : started === 0 ? 'The VMs to grow' : 'The VMs to start and to grow';
  const detail = `${what} ask for ${roughBytes(asked)}, and this host has ${roughBytes(available)} available.`;
  return [diagnostic('SBX3101', { detail, hint: 'Make memory.size smaller, or stop something else.' })];
}

function processors(inputs: PlanInputs, steps: readonly DraftStep[]): readonly Diagnostic[] {
  const { cpus } = inputs.observed.host;
  const over = steps.flatMap(({ action, address }) => {
    const count = action.op === 'vm.start' ? action.attrs.cpus.count : action.op === 'vm.cpus' ? action.count : 0;
    return count > cpus ? [{ address, count }] : [];
  });
  const [first, ...rest] = over;
  if (first === undefined) return [];
  const others = rest.length === 0 ? '' : `, and so have ${rest.length} more`;
  const detail = `${first.address} has ${first.count} vCPUs${others}; this host has ${cpus} CPUs.`;
  return [diagnostic('SBX3108', { detail, hint: `Up to ${cpus} vCPUs can run at the same time.` })];
}

function driver(inputs: PlanInputs, starts: readonly Starting[]): readonly Diagnostic[] {
  const capabilities = inputs.driver?.chosen;
  if (starts.length === 0) return [];
  if (capabilities === undefined) {
    const detail = 'No VMM of this host can run the VMs of this file.';
    return [diagnostic('SBX3102', { detail, hint: 'See what is missing with:\nsbx doctor' })];
  }
  const who = `${capabilities.driver} ${capabilities.version}`;
  const notes = capabilities.notes.map((note) => diagnostic('SBX3113', { detail: `${who} ${note}.` }));
  return [...unsure(inputs), ...notes, ...connection(inputs, starts, capabilities)];
}

/** A driver that was kept for what it runs, and may not be able to start anything. */
function unsure({ driver: choice }: PlanInputs): readonly Diagnostic[] {
  if (choice?.unsure === undefined) return [];
  const { reason, certain } = choice.unsure;
  const who = `${choice.chosen.driver} was recorded for this sandbox and stays its VMM`;
  if (!certain)
    return [
      diagnostic('SBX3118', {
        detail: `${who}: ${reason}.`,
        hint: 'Look again when the host is less busy:\nsbx doctor',
      }),
    ];
  const hint = 'Bring it back, or let another one run all VMs: name it with --vmm.';
  return [diagnostic('SBX3102', { detail: `${who}, but it cannot start one now: ${reason}.`, hint })];
}

function connection(
  inputs: PlanInputs,
  starts: readonly Starting[],
  { driver: name, userNetwork }: Capabilities,
): readonly Diagnostic[] {
  const { connectivity, connectivityReason, connectivityHint } = inputs.observed.host;
  if (connectivity === 'namespace') return [];
  const reason = connectivityReason ?? 'network namespaces are not allowed here';
  const allow = connectivityHint ?? 'What to allow says:\nsbx doctor';
  if (!userNetwork) {
    const detail = `${name} needs a network namespace for the sandbox: ${reason}.`;
    return [diagnostic('SBX3103', { detail, hint: `Use --vmm qemu, or allow namespaces. ${allow}` })];
  }
  const open = starts.find(({ attrs }) => Object.values(attrs.nics).some(({ isolated }) => isolated !== true));
  const reach = "through its gateway's address, services on 127.0.0.1 of this host";
  const wide = open === undefined ? '' : `; on a network of mode nat it reaches the world and, ${reach}`;
  const detail = `Each VM gets a user network of its own: it reaches no other VM${wide} (${reason}).`;
  const told = diagnostic('SBX3104', { detail, hint: allow });
  if (open === undefined || inputs.options.allowHostLoopback) return [told];
  const why = `Without a network namespace, ${open.address} would reach, ${reach}: its network is of mode nat, and ${name} cannot keep it from that (${reason}).`;
  const hint = `Make the network isolated, or say that guests may with --allow-host-loopback, or allow namespaces. ${allow}`;
  return [told, diagnostic('SBX3122', { address: open.address, detail: why, hint })];
}

function sizes(inputs: PlanInputs, starts: readonly Starting[]): readonly Diagnostic[] {
  const capabilities = inputs.driver?.chosen;
  if (capabilities === undefined) return [];
  const found: Diagnostic[] = [];
  for (const { address, attrs } of starts) {
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
  const ours = ownPorts(inputs);
  const unseen = startsUnseen(inputs);
  const { host } = inputs.observed;
  const reserved = portIndex(host.reserved.keys());
  // What this sandbox has itself makes way before anything else is opened.
  const listeners = portIndex(host.listeners, ours);
  const found: Diagnostic[] = [];
  const asked = [...planned].filter(([address]) => !unseen.has(address));
  for (const forward of asked.flatMap(([address, attrs]) => publishedBy(address, attrs))) {
    const key = forwardKey(forward);
    if (ours.has(key)) continue;
    const [theirs, listener] = [reserved.conflict(forward), listeners.conflict(forward)];
    const taken = theirs ?? listener;
    if (taken === undefined) continue;
    const what = taken === key ? key : `${taken}, beside which ${key} cannot be opened`;
    const detail =
      theirs === undefined
        ? `Another program listens on ${what}.`
        : `Sandbox ${host.reserved.get(theirs)} has published ${what}.`;
    const hint = `Choose another port, or let sbx pick one: "auto:${forward.guestPort}".`;
    found.push(diagnostic('SBX3106', { address: forward.vm, detail, hint }));
  }
  return found;
}

/** Ports that this sandbox has: recorded, or opened by an apply that was killed before it could record them. */
function ownPorts({ state, observed }: PlanInputs): ReadonlySet<string> {
  const recorded = (state?.resources ?? []).flatMap((record) => publishedBy(record.address, record.attrs));
  const open = observed.sandbox.forwards.map((name) => name.slice(0, name.indexOf('→')));
  return new Set([...recorded.map(forwardKey), ...open]);
}

/** VMs that an apply was starting when it was killed: what they listen on themselves is recorded nowhere. */
function startsUnseen({ state }: PlanInputs): ReadonlySet<Address> {
  const cut = (state?.resources ?? []).filter(({ pending }) => pending?.op === 'vm.start');
  return new Set(cut.map(({ address }) => address));
}

/** Ports of the sandbox, or those that a VM publishes itself where namespaces are forbidden. */
function publishedBy(address: Address, attrs: Attrs): readonly (PublishedPort & { readonly vm: Address })[] {
  if ('forwards' in attrs) return attrs.forwards;
  if (!('nics' in attrs)) return [];
  return Object.values(attrs.nics).flatMap((nic) => nic.forwards.map((port) => ({ ...port, vm: address })));
}

/** Programs that steps of the plan run; what no step needs may be missing. */
const neededFor: Readonly<Record<string, readonly StepAction['op'][]>> = {
  slirp4netns: ['sandbox.uplink'],
  nft: ['sandbox.rules'],
  unshare: ['sandbox.open'],
  nsenter: ['sandbox.open', 'vm.start'],
  ip: ['sandbox.open', 'network.ensure', 'vm.tap'],
};

function programs(inputs: PlanInputs, steps: readonly DraftStep[]): readonly Diagnostic[] {
  const ops = new Set<string>(steps.map(({ action }) => action.op));
  return inputs.observed.host.missing
    .filter(({ program }) => neededFor[program]?.some((op) => ops.has(op)) ?? ops.size > 0)
    .map(({ program, package: name, why }) =>
      diagnostic('SBX3107', {
        detail: `${program} is not installed: it ${why}.`,
        hint: `Install the package that has it:\nsudo apt-get install ${name}`,
      }),
    );
}
