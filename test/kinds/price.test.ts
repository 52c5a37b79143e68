// The price of a plan against what its steps do: whatever ends a guest is a restart at least, with its downtime where it comes
// back; whatever loses data is as dear as a replacement and is named. Held for every state of a VM, every edit and every driver.
import t from 'tap';
import type { VmObservation } from '../../src/core/observed.ts';
import type { Capabilities } from '../../src/core/plan/capabilities.ts';
import type { PlanOptions } from '../../src/core/plan/context.ts';
import type { Change, Impact, Plan } from '../../src/core/plan/plan.ts';
import { impacts } from '../../src/core/plan/plan.ts';
import { impactOf } from '../../src/core/plan/planner.ts';
import { summaryLine } from '../../src/core/render/plan-model.ts';
import type { VmAttrs } from '../../src/core/state/attrs.ts';
import { capabilitiesOf } from '../../src/vmm/cloud-hypervisor/capabilities.ts';
import { qemuCapabilities } from '../../src/vmm/qemu/capabilities.ts';
import { type Applied, addressOf, applied, mustPlan, planOf, seenAs } from '../support/planning.ts';

const file = `version: 1
name: shop
images:
  bare: { kernel: ./vmlinuz }
  whole: { kernel: ./vmlinuz, disk: ./root.img }
volumes:
  pg: { size: 1GiB }
networks:
  lan: { subnet: 10.68.0.0/24 }
vms:
  db:
    image: whole
    cpus: { count: 2, max: 4 }
    memory: { size: 512MiB, max: 1GiB }
    disks: { root: { size: 4GiB }, data: { volume: pg }, tmp: { size: 1GiB } }
    networks: { lan: { address: 10.68.0.10 } }
  web:
    image: bare
    networks: { lan: {} }
    depends_on: [db]
`;

const why = 'as it was put up for this test';
/** Every state, and whether a guest runs in it, as far as anybody can tell: written down here on its own. */
const states: readonly {
  readonly name: string;
  readonly guest: boolean;
  readonly seen: (before: VmObservation) => VmObservation;
}[] = [
  { name: 'running', guest: true, seen: (before) => before },
  { name: 'paused', guest: true, seen: (before) => ({ ...before, state: 'paused' }) as VmObservation },
  { name: 'blocked', guest: true, seen: (before) => ({ ...before, state: 'blocked', reason: why }) as VmObservation },
  { name: 'lost', guest: true, seen: () => ({ state: 'lost', reason: why }) },
  { name: 'unresponsive', guest: true, seen: () => ({ state: 'unresponsive', reason: why }) },
  { name: 'halted', guest: false, seen: () => ({ state: 'halted', reason: why }) },
  { name: 'dead', guest: false, seen: () => ({ state: 'dead', reason: why }) },
  { name: 'exited', guest: false, seen: () => ({ state: 'exited' }) },
  { name: 'absent', guest: false, seen: () => ({ state: 'absent' }) },
];

const edit = (before: string, after: string): string => {
  const edited = file.replace(before, after);
  if (edited === file) throw new TypeError(`${before} is not in the file`);
  return edited;
};

const db = addressOf('vm.db');
const edits: readonly { readonly name: string; readonly to: string; readonly options?: Partial<PlanOptions> }[] = [
  { name: 'nothing', to: file },
  { name: 'more vCPUs', to: edit('count: 2', 'count: 3') },
  { name: 'fewer vCPUs', to: edit('count: 2', 'count: 1') },
  { name: 'more room', to: edit('max: 4', 'max: 8') },
  { name: 'less memory', to: edit('size: 512MiB', 'size: 256MiB') },
  { name: 'an own disk less', to: edit(', tmp: { size: 1GiB }', '') },
  { name: 'a volume less', to: edit(', data: { volume: pg }', '') },
  { name: 'an own disk and more room', to: edit(', tmp: { size: 1GiB }', '').replace('max: 4', 'max: 8') },
  {
    name: 'a volume for an own disk',
    to: edit('tmp: { size: 1GiB }', 'tmp: { volume: more }').replace('volumes:', 'volumes:\n  more: { size: 1GiB }'),
  },
  { name: 'a smaller disk', to: edit('tmp: { size: 1GiB }', 'tmp: { size: 1MiB }') },
  { name: 'a larger disk', to: edit('tmp: { size: 1GiB }', 'tmp: { size: 2GiB }') },
  { name: 'another image', to: edit('disk: ./root.img', 'disk: ./new.img') },
  { name: 'another address', to: edit('10.68.0.10', '10.68.0.11') },
  { name: 'no NIC', to: edit('    networks: { lan: { address: 10.68.0.10 } }\n', '') },
  { name: 'stopped', to: edit('image: whole', 'image: whole\n    state: stopped') },
  { name: 'kept when it exits', to: edit('image: whole', 'image: whole\n    on_exit: keep') },
  { name: 'gone', to: edit('    depends_on: [db]\n', '').replace(/ {2}db:[\s\S]*?(?= {2}web:)/, '') },
  { name: 'asked to restart', to: file, options: { restart: [db], only: true, targets: [db] } },
  { name: 'held', to: file, options: { holds: new Map([[db, true]]), only: true, targets: [db] } },
  { name: 'replaced', to: file, options: { replace: [db] } },
];

const drivers: readonly Capabilities[] = [
  capabilitiesOf({ major: 34, minor: 0 }, '/ch'),
  capabilitiesOf({ major: 53, minor: 0 }, '/ch'),
  qemuCapabilities('/qemu', '7.2.22', 'tcg'),
  qemuCapabilities('/qemu', '7.2.22', 'kvm'),
];

/** The record as an apply that was killed leaves it. */
const statuses = ['ready', 'creating', 'deleting'] as const;

function worldOf(driver: Capabilities, status: (typeof statuses)[number], volume: 'there' | 'lost'): Applied {
  const world = applied(file, driver);
  const resources = world.state.resources.map((record) => (record.address === db ? { ...record, status } : record));
  const volumes = volume === 'there' ? world.observed.volumes : new Map([[addressOf('volume.pg'), { present: false }]]);
  return { state: { ...world.state, resources } as Applied['state'], observed: { ...world.observed, volumes } };
}

/** What the steps of a change do to what was there, read from the steps. */
function done(plan: Plan, change: Change, disks: VmAttrs['disks']) {
  const actions = plan.steps.filter(({ id }) => change.steps.includes(id)).map(({ action }) => action);
  const ops = actions.map(({ op }) => op);
  const own = Object.keys(disks).filter((name) => disks[name]?.type !== 'volume');
  const lost = ops.includes('vm.delete')
    ? own
    : actions.flatMap((action) => (action.op === 'vm.disk-delete' && own.includes(action.disk) ? [action.disk] : []));
  const detached = actions.flatMap((action) => (action.op === 'vm.disk-detach' ? [action.disk] : []));
  return { ends: ops.includes('vm.stop'), starts: ops.includes('vm.start'), detached, lost };
}

for (const status of statuses) {
  t.test(`a VM that is recorded as ${status} costs what happens to its guest and its disks`, async (t) => {
    const checked = drivers.flatMap((driver) =>
      (['there', 'lost'] as const).flatMap((volume) => checkAll(driver, status, volume)),
    );
    t.strictSame(
      checked.flatMap(({ wrong }) => wrong),
      [],
    );
    t.ok(checked.length > 300, `${checked.length} plans`);
  });
}

/** Every state and edit of one world. */
function checkAll(
  driver: Capabilities,
  status: (typeof statuses)[number],
  volume: 'there' | 'lost',
): readonly { readonly wrong: readonly string[] }[] {
  const world = worldOf(driver, status, volume);
  const record = world.state.resources.find(({ address }) => address === db);
  if (record?.kind !== 'vm') throw new TypeError('the world has no VM');
  return states.flatMap(({ name: state, guest, seen }) =>
    edits.flatMap(({ name, to, options = {} }) => {
      const plan = planOf({ from: seenAs(world, 'db', seen), to, driver, options });
      if (!plan.ok) return [];
      const change = plan.value.changes.find(({ address }) => address === db);
      const before = { guest, state, status, volume };
      const wrong = change === undefined ? [] : wrongIn(plan.value, change, record.attrs.disks, before);
      const what = `${driver.driver} ${driver.version}: ${name} of a VM that is ${state}, volume ${volume}`;
      return [{ wrong: wrong.map((text) => `${what}: ${text}`) }];
    }),
  );
}

interface Before {
  readonly guest: boolean;
  readonly state: string;
  readonly status: string;
  readonly volume: string;
}

function wrongIn(plan: Plan, change: Change, disks: VmAttrs['disks'], before: Before): readonly string[] {
  const { ends, starts, detached, lost } = done(plan, change, disks);
  const ended = ends && before.guest;
  const { downtimeMs, lostDisks } = change.price;
  const losing = [
    ...(isFresh(change, before) ? [] : lost),
    ...(isOpenOnly(change, before) && (ended || detached.includes('data')) ? ['volume.pg'] : []),
  ];
  const named = lostDisks.map(({ name }) => name);
  return [
    ...(ended ? cheaper(plan, change, 'restart') : []),
    ...(ended && starts && downtimeMs === 0 ? ['no downtime'] : []),
    ...(!ended && downtimeMs > 0 ? ['downtime of what does not run'] : []),
    ...losing.filter((disk) => !named.includes(disk)).map((disk) => `${disk} is lost without a word`),
    ...(losing.length > 0 ? cheaper(plan, change, 'replace') : []),
    ...(losing.length > 0 && !/the content of \d disks? is lost/.test(summaryLine(plan)) ? ['the sum is silent'] : []),
  ];
}

/** Disks that an apply was making when it was killed, before any guest had them, hold nothing. */
function isFresh(change: Change, { status, state }: Before): boolean {
  return change.action === 'create' && status === 'creating' && state === 'absent';
}

/** A volume without a file lives in its VMM alone. */
function isOpenOnly(change: Change, { status, volume }: Before): boolean {
  return change.action === 'update' && status === 'ready' && volume === 'lost';
}

/** What says that a change, or its plan, costs less than this. */
function cheaper(plan: Plan, change: Change, impact: 'restart' | 'replace'): readonly string[] {
  const isLess = (price: Impact | null): boolean => price === null || impacts.indexOf(price) < impacts.indexOf(impact);
  return [
    ...(isLess(impactOf(change)) ? [`the change is ${impactOf(change)}, not ${impact}`] : []),
    ...(isLess(plan.impact) ? [`the plan is ${plan.impact}, not ${impact}`] : []),
  ];
}

t.test('taking an own disk away is refused by --max-impact live, and is still done live', async (t) => {
  const plan = mustPlan({ from: applied(file), to: edit(', tmp: { size: 1GiB }', '') });
  t.equal(plan.impact, 'replace');
  t.match(plan.changes[0], { action: 'update', impact: 'replace', through: 'live', price: { downtimeMs: 0 } });
  t.notOk(plan.steps.some(({ action }) => action.op === 'vm.stop'));
  t.equal(summaryLine(plan), 'Plan: 0 to create, 1 to change (live), 0 to destroy; the content of 1 disk is lost.');
});
