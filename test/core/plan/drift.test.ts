// What changed outside sbx: found, put into words, and answered.
import t from 'tap';
import { exitOfPlan } from '../../../src/cli/exit.ts';
import type { VmObservation } from '../../../src/core/observed.ts';
import { renderPlan } from '../../../src/core/render/plan-text.ts';
import { matchesGolden } from '../../support/golden.ts';
import { type Applied, addressOf, applied, mustPlan, seenAs } from '../../support/planning.ts';

const file = `version: 1
name: shop
images:
  base: { build: tiny }
volumes:
  pg: { size: 1GiB }
networks:
  lan: { subnet: 10.68.0.0/24 }
vms:
  db:
    image: base
    cpus: { count: 1, max: 4 }
    memory: { size: 256MiB, max: 1GiB }
    disks: { data: { volume: pg } }
    networks: { lan: { address: 10.68.0.10, ports: ["5432"] } }
`;
const world = applied(file);
const alive = (change: object) => (from: Applied) =>
  seenAs(from, 'db', (before) => ({ ...before, ...change }) as VmObservation);
const dead = (seen: VmObservation) => (from: Applied) => seenAs(from, 'db', seen);
const sandbox = (change: object) => (from: Applied) => ({
  ...from,
  observed: { ...from.observed, sandbox: { ...from.observed.sandbox, ...change } },
});
const links = (keeps: (kind: string) => boolean) => (from: Applied) =>
  sandbox({
    links: Object.fromEntries(Object.entries(from.observed.sandbox.links).filter(([, { kind }]) => keeps(kind))),
  })(from);
const volume = (seen: { present: boolean; sizeBytes?: number }) => (from: Applied) => ({
  ...from,
  observed: { ...from.observed, volumes: new Map([[addressOf('volume.pg'), seen]]) },
});
const uncached = (from: Applied): Applied => {
  const images = new Map([...from.observed.images].map(([at, image]) => [at, { ...image, cached: false }]));
  return { ...from, observed: { ...from.observed, images } };
};

const kinds: readonly {
  readonly name: string;
  readonly break: (from: Applied) => Applied;
  readonly fields: readonly string[];
  /** Operations that the answer has, among others */
  readonly ops: readonly string[];
}[] = [
  {
    name: 'died',
    break: dead({ state: 'dead', reason: 'its process is gone' }),
    fields: ['vm.db state'],
    ops: ['vm.start'],
  },
  {
    name: 'socket-gone',
    break: dead({ state: 'lost', reason: 'its VMM (pid 7) runs but its socket is gone' }),
    fields: ['vm.db state'],
    ops: ['vm.stop', 'vm.start'],
  },
  {
    name: 'halted',
    break: dead({ state: 'halted', reason: 'its VMM runs but holds no VM: it was deleted from outside' }),
    fields: ['vm.db state'],
    ops: ['vm.stop', 'vm.start'],
  },
  {
    name: 'blocked',
    break: alive({ state: 'blocked', reason: 'a disk write failed for want of room' }),
    fields: ['vm.db state'],
    ops: ['vm.resume'],
  },
  {
    name: 'blocked-no-room',
    break: (from) => {
      const seen = alive({ state: 'blocked', reason: 'a disk write failed for want of room' })(from);
      const host = { ...seen.observed.host, diskAvailableBytes: 1024 };
      return { ...seen, observed: { ...seen.observed, host } };
    },
    fields: ['vm.db state'],
    ops: [],
  },
  {
    name: 'hangs',
    break: dead({ state: 'unresponsive', reason: 'no answer within 2 s' }),
    fields: ['vm.db state'],
    ops: ['vm.stop', 'vm.start'],
  },
  { name: 'exited', break: dead({ state: 'exited' }), fields: ['vm.db state'], ops: ['vm.start'] },
  { name: 'absent', break: dead({ state: 'absent' }), fields: ['vm.db state'], ops: ['vm.start'] },
  { name: 'paused', break: alive({ state: 'paused' }), fields: ['vm.db state'], ops: ['vm.resume'] },
  { name: 'vcpus', break: alive({ cpus: 3 }), fields: ['vm.db cpus.count'], ops: ['vm.cpus'] },
  {
    name: 'memory',
    break: alive({ memoryBytes: 512 * 2 ** 20 }),
    fields: ['vm.db memory.size'],
    ops: ['vm.stop', 'vm.start'],
  },
  {
    name: 'disk-detached',
    break: alive({ disks: { root: null } }),
    fields: ['vm.db disks.data'],
    ops: ['vm.disk-attach'],
  },
  { name: 'nic-removed', break: alive({ nics: {} }), fields: ['vm.db networks.lan'], ops: ['vm.start'] },
  {
    name: 'tap-gone',
    break: links((kind) => kind !== 'tap'),
    fields: ['vm.db networks.lan.tap'],
    ops: ['vm.tap', 'vm.start'],
  },
  {
    name: 'bridge-gone',
    break: (from) => {
      const bare = links((kind) => kind !== 'bridge')(from);
      const taps = Object.entries(bare.observed.sandbox.links).map(([name, { kind, up }]) => [name, { kind, up }]);
      return sandbox({ links: Object.fromEntries(taps) })(bare);
    },
    fields: ['network.lan bridge', 'vm.db networks.lan.tap'],
    ops: ['network.ensure', 'vm.tap'],
  },
  {
    name: 'namespace-gone',
    break: (from) =>
      dead({ state: 'dead', reason: 'its process is gone' })(
        sandbox({ namespace: 'absent', holder: 'absent', uplink: 'absent', links: {}, forwards: [] })(from),
      ),
    fields: ['sandbox holder', 'sandbox namespace', 'network.lan bridge', 'vm.db state'],
    ops: ['sandbox.open', 'network.ensure', 'vm.tap', 'vm.start'],
  },
  { name: 'holder-gone', break: sandbox({ holder: 'absent' }), fields: ['sandbox holder'], ops: ['sandbox.open'] },
  {
    name: 'uplink-gone',
    break: sandbox({ uplink: 'absent', forwards: [] }),
    fields: ['sandbox uplink'],
    ops: ['sandbox.uplink', 'sandbox.rules'],
  },
  {
    name: 'rules-changed',
    break: sandbox({ rules: 'changed' }),
    fields: ['sandbox packet filter'],
    ops: ['sandbox.rules'],
  },
  {
    name: 'port-gone',
    break: sandbox({ forwards: [] }),
    fields: ['sandbox ports.127.0.0.1:5432/tcp'],
    ops: ['sandbox.rules'],
  },
  {
    name: 'volume-gone',
    break: volume({ present: false }),
    fields: ['volume.pg file', 'vm.db disks.data'],
    ops: ['volume.create', 'vm.stop', 'vm.start'],
  },
  {
    name: 'volume-cut',
    break: volume({ present: true, sizeBytes: 2 ** 29 }),
    fields: ['volume.pg size'],
    ops: ['volume.grow'],
  },
  { name: 'volume-grown', break: volume({ present: true, sizeBytes: 2 ** 31 }), fields: ['volume.pg size'], ops: [] },
  { name: 'cache-lost', break: uncached, fields: ['image.base cache'], ops: ['image.ensure'] },
];

for (const { name, break: broken, fields, ops } of kinds) {
  t.test(`${name}: found, and answered`, async (t) => {
    const plan = mustPlan({ from: broken(world), to: file });
    t.strictSame(
      plan.drift.map(({ address, field }) => `${address} ${field}`),
      fields,
    );
    const done = plan.steps.map(({ action }) => action.op as string);
    t.strictSame(
      ops.filter((op) => !done.includes(op)),
      [],
      done.join(' '),
    );
    t.equal(exitOfPlan(plan), 8, 'only drift');
    matchesGolden(t, `drift/${name}.txt`, renderPlan({ ...plan, steps: [] }, { color: false, width: 120 }));
  });
}

t.test('a volume that somebody grew is recorded when the file asks for it, and is never cut', async (t) => {
  const grown = volume({ present: true, sizeBytes: 2 ** 31 })(world);
  const plan = mustPlan({ from: grown, to: file.replace('pg: { size: 1GiB }', 'pg: { size: 2GiB }') });
  t.match(plan.changes[0], { action: 'update', address: 'volume.pg', fields: [{ field: 'size' }] });
  t.match(plan.drift, [{ remedy: 'none: the file asks for the same now' }]);
});

t.test('a change of the file beside drift is no longer only drift', async (t) => {
  const plan = mustPlan({ from: sandbox({ holder: 'absent' })(world), to: file.replace('max: 4', 'max: 8') });
  t.equal(exitOfPlan(plan), 2);
});
