// The steps of an update: live where every field allows it, through one restart otherwise.
import type { Address } from '../../core/address.ts';
import { draftStep } from '../../core/plan/change.ts';
import type { DraftStep, PlanContext } from '../../core/plan/context.ts';
import { isSame } from '../../core/plan/values.ts';
import type { DiskAttrs, NicAttrs, VmAttrs } from '../../core/state/attrs.ts';
import type { VmRecord } from '../../core/state/state.ts';
import type { RunState } from './run-state.ts';
import { ownDisks, prepareSteps, readyStep, shallRun, startSteps, stopStep, tapStep, untapStep } from './steps.ts';

export interface Update {
  readonly attrs: VmAttrs;
  /** What it needs from now on */
  readonly dependsOn: readonly Address[];
  readonly prior: VmAttrs;
  readonly record: VmRecord;
  /** NICs whose tap is to be plugged into its bridge again */
  readonly unplugged: readonly string[];
  readonly run: RunState;
  readonly context: PlanContext;
  readonly alive: boolean;
  readonly restart: boolean;
}

/** Steps of an update that needs no replacement. */
export function updateSteps(update: Update): readonly DraftStep[] {
  const { run, restart, alive, dependsOn } = update;
  const boots = restart || run.need === 'start' || run.need === 'stop' || run.need === 'restart';
  const steps = boots ? throughBoot(update) : alive ? liveSteps(update) : offSteps(update);
  return steps.map((step) => {
    const { after } = step;
    // The step that makes the VM what it shall be also records what it needs.
    return after.type === 'patched' && after.status === 'ready' ? { ...step, after: { ...after, dependsOn } } : step;
  });
}

/** Stop, change what can only change while it is off, start if it shall run. */
function throughBoot(update: Update): readonly DraftStep[] {
  const { attrs, record, context } = update;
  const { address } = record;
  const stop = stopStep(address);
  const off = offDevices(update, [stop]);
  const cleared = [stop, ...off];
  // What stays off is prepared when it is started.
  const prepared = shallRun(attrs) ? prepareSteps({ address, attrs, context, needs: cleared }) : [];
  const last = startSteps({ address, attrs, context, needs: [...cleared, ...prepared] });
  return [...cleared, ...prepared, ...last];
}

/** A VM that does not run and shall not: what it no longer has goes, the rest is made when it is started. */
function offSteps(update: Update): readonly DraftStep[] {
  const { attrs, record } = update;
  const { address } = record;
  const off = offDevices(update, []);
  const keep = draftStep(address, { op: 'record' }, { needs: off, after: { type: 'patched', status: 'ready', attrs } });
  return [...off, keep];
}

/** Files and taps of devices that go. */
function offDevices(update: Update, needs: readonly DraftStep[]): readonly DraftStep[] {
  const { attrs, record, context } = update;
  const { address } = record;
  const disks = ownDisks(record.attrs.disks)
    .filter((disk) => attrs.disks[disk]?.type !== record.attrs.disks[disk]?.type)
    .map((disk) => draftStep(address, { op: 'vm.disk-delete', disk }, { about: disk, needs }));
  if (context.observed.host.connectivity === 'user-net' || context.observed.sandbox.namespace === 'absent')
    return disks;
  // One that gets another address or network is plugged in anew: nobody is told of what it had any more.
  const taps = Object.entries(record.attrs.nics)
    .filter(([nic, end]) => !isSameEnd(attrs.nics[nic], end))
    .map(([nic, end]) => untapStep(address, nic, end, needs));
  return [...disks, ...taps];
}

function isSameEnd(a: NicAttrs | undefined, b: NicAttrs): boolean {
  return a !== undefined && a.network === b.network && a.ip === b.ip && a.mac === b.mac;
}

/** One step after the other: a VMM takes one change at a time. */
function liveSteps(update: Update): readonly DraftStep[] {
  const { attrs, prior, record, run } = update;
  const { address } = record;
  const steps: DraftStep[] = [];
  const then = (step: (needs: readonly DraftStep[]) => DraftStep): void => {
    steps.push(step(steps.slice(-1)));
  };
  for (const nic of update.unplugged) {
    const end = attrs.nics[nic];
    if (end !== undefined) then((needs) => tapStep(address, nic, end, needs));
  }
  if (run.need === 'resume') then((needs) => draftStep(address, { op: 'vm.resume' }, { needs }));
  if (attrs.cpus.count !== prior.cpus.count) {
    const after = { type: 'patched', attrs: { cpus: attrs.cpus } } as const;
    then((needs) => draftStep(address, { op: 'vm.cpus', count: attrs.cpus.count }, { needs, after }));
  }
  if (attrs.memory.sizeBytes !== prior.memory.sizeBytes) {
    const after = { type: 'patched', attrs: { memory: attrs.memory } } as const;
    then((needs) => draftStep(address, { op: 'vm.memory', sizeBytes: attrs.memory.sizeBytes }, { needs, after }));
  }
  for (const make of diskSteps(update)) then(make);
  if (run.need === 'wait') then((needs) => readyStep(address, attrs, needs));
  // What no step carries is true as soon as it is recorded.
  const after = { type: 'patched', status: 'ready', attrs } as const;
  then((needs) => draftStep(address, { op: 'record' }, { needs, reaches: ['present', 'started'], after }));
  return steps;
}

type StepMaker = (needs: readonly DraftStep[]) => DraftStep;

function diskSteps(update: Update): readonly StepMaker[] {
  const { attrs, prior, record } = update;
  // Also one that the VM has let go of already: its file may be there yet.
  const gone = Object.entries(record.attrs.disks).filter(([name]) => attrs.disks[name] === undefined);
  return [
    ...gone.flatMap(([name, disk]) => detachSteps(update, name, disk)),
    ...Object.entries(attrs.disks).flatMap(([name, disk]) => {
      const was = prior.disks[name];
      if (was === undefined) return attachSteps(update, name, disk);
      const { sizeBytes } = disk;
      // What is only read grows with its volume, and the guest sees that when it boots.
      const stays = sizeBytes === null || isSame(was.sizeBytes, sizeBytes) || (disk.type === 'volume' && disk.readonly);
      return stays ? [] : [growStep(update, name, disk, sizeBytes)];
    }),
  ];
}

function detachSteps({ record: { address } }: Update, name: string, disk: DiskAttrs): readonly StepMaker[] {
  const detach: StepMaker = (needs) =>
    draftStep(address, { op: 'vm.disk-detach', disk: name }, { about: name, needs, reaches: ['released'] });
  if (disk.type === 'volume') return [detach];
  return [detach, (needs) => draftStep(address, { op: 'vm.disk-delete', disk: name }, { about: name, needs })];
}

function attachSteps(update: Update, name: string, disk: DiskAttrs): readonly StepMaker[] {
  const { attrs } = update;
  const { address } = update.record;
  const requires = volumeOf(disk);
  const attach: StepMaker = (needs) =>
    draftStep(address, { op: 'vm.disk-attach', disk: name, attrs }, { about: name, needs, requires });
  if (disk.type === 'volume') return [attach];
  const { image } = attrs;
  return [
    (needs) => draftStep(address, { op: 'vm.disk-create', disk: name, image, attrs }, { about: name, needs }),
    attach,
  ];
}

function growStep({ record: { address } }: Update, name: string, disk: DiskAttrs, sizeBytes: number): StepMaker {
  const requires = volumeOf(disk);
  return (needs) => draftStep(address, { op: 'vm.disk-grow', disk: name, sizeBytes }, { about: name, needs, requires });
}

function volumeOf(disk: DiskAttrs): NonNullable<DraftStep['requires']> {
  return disk.type === 'volume' ? [{ address: disk.volume, point: 'present' }] : [];
}
