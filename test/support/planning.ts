// Plans for tests: from YAML, over a host on paper that shows exactly what was applied unless a test says otherwise.
import { type Address, formatAddress, parseAddress } from '../../src/core/address.ts';
import type { Checked } from '../../src/core/checked.ts';
import type { Desired } from '../../src/core/desired.ts';
import { expand } from '../../src/core/expand/index.ts';
import { noAllocations } from '../../src/core/expand/inputs.ts';
import { loadDocument } from '../../src/core/load/index.ts';
import type { HostFacts, Observed, VmObservation } from '../../src/core/observed.ts';
import { asApplied } from '../../src/core/plan/as-applied.ts';
import type { Capabilities } from '../../src/core/plan/capabilities.ts';
import { noOptions, type PlanInputs, type PlanOptions } from '../../src/core/plan/context.ts';
import type { Change, Plan } from '../../src/core/plan/plan.ts';
import { planSandbox } from '../../src/core/plan/planner.ts';
import type { State } from '../../src/core/state/state.ts';
import { kindRules } from '../../src/kinds/index.ts';

/** A driver that can do everything live. */
export const ableDriver: Capabilities = {
  driver: 'qemu',
  version: '7.2.22',
  path: '/usr/bin/qemu-system-x86_64',
  acceleration: 'kvm',
  cpuGrow: 'live',
  cpuShrink: 'live',
  memoryGrow: 'live',
  memoryShrink: 'live',
  diskAttach: 'live',
  diskDetach: 'live',
  diskGrow: 'live',
  nicAttach: 'live',
  nicDetach: 'live',
  memoryStepBytes: 2 * 1024 * 1024,
  memoryMinBytes: 96 * 1024 * 1024,
  cpusMax: 254,
  devicesMax: 30,
  userNetwork: true,
  notes: [],
};

/** What a file says. Throws when the file is not valid: the test is wrong then. */
export function desiredOf(yaml: string): Desired {
  const document = loadDocument([{ path: 'sbx.yaml', text: yaml }]);
  if (!document.ok) throw new TypeError(JSON.stringify(document.diagnostics, null, 1));
  const desired = expand(document.value, {
    folder: '/box',
    variables: { flags: {}, files: [], environment: {} },
    files: new Map(),
    resolvePath: (path) => ({ path: `/box/${path}` }),
    allocations: noAllocations,
    patterns: new Map(),
    allowPublicPorts: false,
  });
  if (!desired.ok) throw new TypeError(JSON.stringify(desired.diagnostics, null, 1));
  return desired.value;
}

export interface Applied {
  readonly state: State;
  readonly observed: Observed;
}

/** State and host after the file was applied. */
export function applied(yaml: string, driver: Capabilities = ableDriver, host: Partial<HostFacts> = {}): Applied {
  return asApplied({ desired: desiredOf(yaml), driver: { chosen: driver, others: [] }, hash, host }, kindRules);
}

export const hash = (text: string): string => `#${text.length}`;

export interface Planning {
  /** What was applied before; nothing when absent */
  readonly from?: Applied;
  readonly to?: string;
  readonly mode?: PlanInputs['mode'];
  readonly driver?: Capabilities;
  readonly options?: Partial<PlanOptions>;
}

/** Plans from an applied world to a file. */
export function planOf({ from, to, mode = 'apply', driver = ableDriver, options = {} }: Planning): Checked<Plan> {
  const observed = from?.observed ?? applied(to ?? 'version: 1\nname: shop\n').observed;
  const blank: Observed = { ...observed, vms: new Map(), volumes: new Map() };
  return planSandbox(
    {
      mode,
      observed: from === undefined ? blank : { ...observed, images: imagesSeen(from, to) },
      driver: { chosen: driver, others: [] },
      hash,
      options: { ...noOptions, allowHostLoopback: true, ...options },
      ...(from === undefined ? {} : { state: from.state }),
      ...(to === undefined ? {} : { desired: desiredOf(to) }),
    },
    kindRules,
  );
}

/** Images as the world shows them; those whose source the file changes have another digest. */
function imagesSeen(from: Applied, to: string | undefined): Observed['images'] {
  const images = new Map(from.observed.images);
  for (const [address, image] of to === undefined ? [] : applied(to).observed.images) {
    const record = from.state.resources.find((found) => found.address === address);
    if (record?.kind !== 'image' || record.attrs.digest !== image.digest)
      images.set(address, { ...images.get(address), ...image });
  }
  return images;
}

/** The plan itself. Throws when there is none: the test is wrong then. */
export function mustPlan(planning: Planning): Plan {
  const plan = planOf(planning);
  if (!plan.ok) throw new TypeError(JSON.stringify(plan.diagnostics, null, 1));
  return plan.value;
}

/** A world in which one VM is seen otherwise than it was applied. */
export function seenAs(
  world: Applied,
  vm: string,
  observation: VmObservation | ((before: VmObservation) => VmObservation),
): Applied {
  const address = addressOf(vm);
  const vms = new Map(world.observed.vms);
  const before = vms.get(address) ?? { state: 'absent' };
  vms.set(address, typeof observation === 'function' ? observation(before) : observation);
  return { ...world, observed: { ...world.observed, vms } };
}

export function addressOf(text: string): Address {
  const parts = parseAddress(text);
  if (parts === undefined) throw new TypeError(`${text} is no address`);
  return formatAddress(parts);
}

/** A change in one line: `~ vm.web live: memory.size, env.A`. */
export function changeLine(change: Change): string {
  const fields = 'fields' in change ? change.fields.map((field) => field.field).join(', ') : '';
  const impact = change.action === 'update' ? ` ${change.impact}` : '';
  return `${change.action} ${change.address}${impact}${fields === '' || change.action === 'create' ? '' : `: ${fields}`}`;
}
