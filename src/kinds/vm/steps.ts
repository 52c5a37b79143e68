// The steps that make, start, stop and change a VM, in the order that a host needs.
import { type Address, sandboxAddress } from '../../core/address.ts';
import { draftStep, stepId } from '../../core/plan/change.ts';
import type { DraftStep, PlanContext } from '../../core/plan/context.ts';
import type { LostDisk } from '../../core/plan/plan.ts';
import type { DiskAttrs, NicAttrs, VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';

/** How long a guest gets to power itself off in `ms`. */
export const stopGraceMs = 10_000;

/** Whether the VM shall run after apply. */
export function shallRun(attrs: VmAttrs): boolean {
  return attrs.state === 'running' && !attrs.hold;
}

/** Disks whose file lives and dies with the VM. */
export function ownDisks(disks: Readonly<Record<string, DiskAttrs>>): readonly string[] {
  return Object.entries(disks).flatMap(([name, disk]) => (disk.type === 'volume' ? [] : [name]));
}

/** Own disks that go, with their sizes, for the price of a change. */
export function lostDisks(
  disks: Readonly<Record<string, DiskAttrs>>,
  keeps: (name: string) => boolean,
): readonly LostDisk[] {
  return ownDisks(disks)
    .filter((name) => !keeps(name))
    .map((name) => ({ name, sizeBytes: disks[name]?.sizeBytes ?? null }));
}

interface Making {
  readonly address: Address;
  readonly attrs: VmAttrs;
  readonly context: PlanContext;
  /** Steps that must be done before the first of these */
  readonly needs: readonly DraftStep[];
}

/** Disks, taps and seed: all that a VM needs before it starts. */
export function prepareSteps({ address, attrs, context, needs }: Making): readonly DraftStep[] {
  const disks = ownDisks(attrs.disks).map((disk) =>
    draftStep(
      address,
      { op: 'vm.disk-create', disk, image: attrs.image, attrs },
      {
        about: disk,
        needs,
        requires: [
          { address: attrs.image, point: 'present' },
          { address: sandboxAddress, point: 'present' },
        ],
      },
    ),
  );
  const seed = draftStep(
    address,
    { op: 'vm.seed', attrs },
    { needs, requires: [{ address: sandboxAddress, point: 'present' }] },
  );
  return [...disks, ...tapSteps({ address, attrs, context, needs }), seed];
}

/** One tap per NIC, plugged into its bridge; none with the VMM's own user network. */
export function tapSteps({ address, attrs, context, needs }: Making): readonly DraftStep[] {
  if (context.observed.host.connectivity === 'user-net') return [];
  return Object.entries(attrs.nics).map(([nic, end]) => tapStep(address, nic, end, needs));
}

/** Plugs one NIC into its bridge. */
export function tapStep(
  address: Address,
  nic: string,
  { network, ip, mac }: NicAttrs,
  needs: readonly DraftStep[],
): DraftStep {
  const requires = [{ address: network, point: 'present' }] as const;
  return draftStep(address, { op: 'vm.tap', nic, network, ip, mac }, { about: nic, needs, requires });
}

/** Takes one NIC off its bridge, with the address that it had there. */
export function untapStep(
  address: Address,
  nic: string,
  { network, ip }: NicAttrs,
  needs: readonly DraftStep[],
): DraftStep {
  const reaches = ['released'] as const;
  return draftStep(address, { op: 'vm.tap-remove', nic, network, ip }, { about: nic, needs, reaches });
}

/** Start and, where the file asks for it, the wait until it is ready. */
export function startSteps({ address, attrs, context, needs }: Making): readonly DraftStep[] {
  if (!shallRun(attrs)) {
    return [
      draftStep(
        address,
        { op: 'record' },
        { needs, reaches: ['present'], after: { type: 'patched', status: 'ready', attrs } },
      ),
    ];
  }
  const desired = context.desired.get(address);
  const waits = desired?.kind === 'vm' ? desired.dependsOn : [];
  const volumes = Object.values(attrs.disks).flatMap((disk) => (disk.type === 'volume' ? [disk.volume] : []));
  // Whoever is killed in between has a VM that was never seen ready.
  const pending = attrs.ready === null ? {} : { pending: { step: stepId(address, 'vm.ready'), op: 'vm.ready' } };
  const start = draftStep(
    address,
    { op: 'vm.start', attrs },
    {
      needs,
      requires: [
        { address: attrs.image, point: 'present' },
        { address: sandboxAddress, point: 'started' },
        ...volumes.map((volume) => ({ address: volume, point: 'present' as const })),
        ...waits.map(({ address: other, until }) => ({ address: other, point: until })),
      ],
      reaches: ['present', 'started'],
      after: { type: 'patched', status: 'ready', attrs, ...pending },
    },
  );
  return attrs.ready === null ? [start] : [start, readyStep(address, attrs, [start])];
}

/** Waits until the VM counts as ready. */
export function readyStep(address: Address, attrs: VmAttrs, needs: readonly DraftStep[]): DraftStep {
  return draftStep(address, { op: 'vm.ready', attrs }, { needs, reaches: ['ready'] });
}

/** Prepares and starts. */
export function bringUpSteps(making: Making): readonly DraftStep[] {
  const prepared = prepareSteps(making);
  return [...prepared, ...startSteps({ ...making, needs: [...making.needs, ...prepared] })];
}

/** Ends the VM's process; dependants that go must be gone before. */
export function stopStep(
  address: Address,
  options: { readonly before?: VmRecord; readonly requires?: DraftStep['requires'] } = {},
): DraftStep {
  return draftStep(address, { op: 'vm.stop', graceMs: stopGraceMs }, { ...options, reaches: ['released'] });
}

/** Removal of taps, private disks and folders of a VM that is stopped. `after` is what the record becomes at the end. */
export function removeSteps(
  record: VmRecord,
  stop: DraftStep,
  after: DraftStep['after'],
  context: PlanContext,
): readonly DraftStep[] {
  const { address, attrs } = record;
  const noTaps =
    context.observed.host.connectivity === 'user-net' ||
    context.observed.sandbox.namespace === 'absent' ||
    // With the namespace, all taps go at once.
    context.plannedAttrs(sandboxAddress) === undefined;
  const taps = noTaps ? [] : Object.entries(attrs.nics).map(([nic, end]) => untapStep(address, nic, end, [stop]));
  return [...taps, draftStep(address, { op: 'vm.delete' }, { needs: [stop, ...taps], after })];
}
