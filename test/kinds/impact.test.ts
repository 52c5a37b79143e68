// The table of impacts against the planner: for every row, and every driver, an edit of that field costs what the row says.

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { Capabilities } from '../../src/core/plan/capabilities.ts';
import type { FieldChange, Plan } from '../../src/core/plan/plan.ts';
import {
  costOf,
  type ImpactCase,
  type ImpactField,
  type ImpactRow,
  impactTable,
  type PayableCase,
} from '../../src/kinds/impacts.ts';
import { capabilitiesOf } from '../../src/vmm/cloud-hypervisor/capabilities.ts';
import { qemuCapabilities } from '../../src/vmm/qemu/capabilities.ts';
import { type Applied, addressOf, applied, mustPlan, planOf } from '../support/planning.ts';

const drivers: readonly Capabilities[] = [
  ...Array.from({ length: 20 }, (_none, at) => capabilitiesOf({ major: 34 + at, minor: 0 }, '/ch')),
  ...(['6.2.0', '7.2.22'] as const).flatMap((version) => [
    qemuCapabilities('/qemu', version, 'kvm'),
    qemuCapabilities('/qemu', version, 'tcg'),
  ]),
];

const file = `version: 1
name: shop
expires: 1h
images:
  bare: { kernel: ./vmlinuz }
  other: { kernel: ./other }
  whole: { kernel: ./vmlinuz, disk: ./root.img }
volumes:
  pg: { size: 1GiB }
  spare: { size: 1GiB }
  shared: { size: 1GiB }
  read: { size: 1GiB }
networks:
  lan: { subnet: 10.68.0.0/24, mode: nat }
  far: { subnet: 10.69.0.0/24, mode: isolated }
  out: { subnet: 10.71.0.0/24, mode: nat }
vms:
  db:
    image: bare
    cpus: { count: 2, max: 4 }
    memory: { size: 512MiB, max: 1GiB }
    disks: { data: { volume: pg }, tmp: { size: 1GiB }, ro: { volume: shared }, lib: { volume: read, readonly: true } }
    networks: { lan: { address: 10.68.0.10, ports: ["5432"] } }
    env: { A: one }
  web:
    image: whole
    disks: { root: { size: 4GiB } }
    networks: { lan: {}, far: {} }
    depends_on: [db]
  off:
    image: bare
    state: stopped
`;

interface Edit {
  readonly from?: string;
  readonly edit: readonly [string, string];
  /** Address and field of the planned change that shows the cost */
  readonly at: readonly [string, string];
  readonly host?: 'user-net';
}

type CasesOf<F extends ImpactField> = keyof (typeof impactTable)[F]['cases'];
const edits: { readonly [F in ImpactField]: { readonly [C in CasesOf<F>]: Edit } } = {
  expires: { changed: { edit: ['expires: 1h', 'expires: 2h'], at: ['sandbox', 'expires'] } },
  'images.*': {
    withRoot: { edit: ['disk: ./root.img', 'disk: ./new.img'], at: ['vm.web', 'image.digest'] },
    withoutRoot: { edit: ['bare: { kernel: ./vmlinuz }', 'bare: { kernel: ./newer }'], at: ['vm.db', 'image.digest'] },
  },
  'volumes.*.size': {
    more: { edit: ['pg: { size: 1GiB }', 'pg: { size: 2GiB }'], at: ['volume.pg', 'size'] },
    less: { edit: ['pg: { size: 1GiB }', 'pg: { size: 1MiB }'], at: ['volume.pg', 'size'] },
  },
  'volumes.*.protect': {
    changed: { edit: ['pg: { size: 1GiB }', 'pg: { size: 1GiB, protect: true }'], at: ['volume.pg', 'protect'] },
  },
  'networks.*.subnet': { changed: { edit: ['10.69.0.0/24', '10.70.0.0/24'], at: ['network.far', 'subnet'] } },
  'networks.*.mode': {
    isolated: { edit: ['10.71.0.0/24, mode: nat', '10.71.0.0/24, mode: isolated'], at: ['network.out', 'mode'] },
    nat: { edit: ['mode: isolated', 'mode: nat'], at: ['network.far', 'mode'] },
    userNet: { edit: ['mode: isolated', 'mode: nat'], at: ['vm.web', 'networks.far'], host: 'user-net' },
  },
  'vms.*.image': {
    withRoot: { edit: ['image: whole\n    disks: { root: { size: 4GiB } }', 'image: bare'], at: ['vm.web', 'image'] },
    withoutRoot: { edit: ['image: bare\n    cpus', 'image: other\n    cpus'], at: ['vm.db', 'image'] },
  },
  'vms.*.cmdline': {
    changed: { edit: ['image: bare\n    cpus', 'image: bare\n    cmdline: quiet\n    cpus'], at: ['vm.db', 'cmdline'] },
  },
  'vms.*.hostname': {
    changed: { edit: ['image: bare\n    cpus', 'image: bare\n    hostname: x\n    cpus'], at: ['vm.db', 'hostname'] },
  },
  'vms.*.cpus.count': {
    more: { edit: ['count: 2', 'count: 3'], at: ['vm.db', 'cpus.count'] },
    beyond: { edit: ['count: 2, max: 4', 'count: 5, max: 5'], at: ['vm.db', 'cpus.count'] },
    less: { edit: ['count: 2', 'count: 1'], at: ['vm.db', 'cpus.count'] },
  },
  'vms.*.cpus.max': { changed: { edit: ['max: 4', 'max: 8'], at: ['vm.db', 'cpus.max'] } },
  'vms.*.memory.size': {
    more: { edit: ['size: 512MiB', 'size: 514MiB'], at: ['vm.db', 'memory.size'] },
    beyond: { edit: ['size: 512MiB, max: 1GiB', 'size: 2GiB, max: 2GiB'], at: ['vm.db', 'memory.size'] },
    less: { edit: ['size: 512MiB', 'size: 256MiB'], at: ['vm.db', 'memory.size'] },
    below: { edit: ['size: 512MiB', 'size: 254MiB'], at: ['vm.db', 'memory.size'] },
  },
  'vms.*.memory.max': { changed: { edit: ['max: 1GiB', 'max: 2GiB'], at: ['vm.db', 'memory.max'] } },
  'vms.*.disks': {
    added: { edit: ['tmp: { size: 1GiB }', 'tmp: { size: 1GiB }, more: { size: 1GiB }'], at: ['vm.db', 'disks.more'] },
    removed: { edit: ['data: { volume: pg }, ', ''], at: ['vm.db', 'disks.data'] },
    removedOwn: { edit: [', tmp: { size: 1GiB }', ''], at: ['vm.db', 'disks.tmp'] },
    rootAdded: { edit: ['image: bare\n    cpus', 'image: whole\n    cpus'], at: ['vm.db', 'disks.root'] },
    rootRemoved: {
      edit: ['image: whole\n    disks: { root: { size: 4GiB } }', 'image: bare'],
      at: ['vm.web', 'disks.root'],
    },
  },
  'vms.*.disks.*.size': {
    more: { edit: ['tmp: { size: 1GiB }', 'tmp: { size: 2GiB }'], at: ['vm.db', 'disks.tmp'] },
    readonly: { edit: ['read: { size: 1GiB }', 'read: { size: 2GiB }'], at: ['vm.db', 'disks.lib'] },
    less: { edit: ['tmp: { size: 1GiB }', 'tmp: { size: 1MiB }'], at: ['vm.db', 'disks.tmp'] },
  },
  'vms.*.disks.*.volume': {
    volume: { edit: ['data: { volume: pg }', 'data: { volume: spare }'], at: ['vm.db', 'disks.data'] },
    own: { edit: ['tmp: { size: 1GiB }', 'tmp: { volume: spare }'], at: ['vm.db', 'disks.tmp'] },
  },
  'vms.*.disks.*.readonly': {
    changed: { edit: ['ro: { volume: shared }', 'ro: { volume: shared, readonly: true }'], at: ['vm.db', 'disks.ro'] },
  },
  'vms.*.networks': {
    changed: { edit: ['networks: { lan: {}, far: {} }', 'networks: { lan: {} }'], at: ['vm.web', 'networks.far'] },
  },
  'vms.*.networks.*.address': { changed: { edit: ['10.68.0.10', '10.68.0.11'], at: ['vm.db', 'networks.lan'] } },
  'vms.*.networks.*.ports': {
    inside: { edit: ['"5432"', '"6000:5432"'], at: ['sandbox', 'ports.127.0.0.1:6000/tcp'] },
    userNet: { edit: ['"5432"', '"6000:5432"'], at: ['vm.db', 'networks.lan'], host: 'user-net' },
  },
  'vms.*.env': { changed: { edit: ['A: one', 'A: two'], at: ['vm.db', 'env.A'] } },
  'vms.*.state': {
    running: { edit: ['    state: stopped\n', ''], at: ['vm.off', 'state'] },
    stopped: { edit: ['image: bare\n    cpus', 'image: bare\n    state: stopped\n    cpus'], at: ['vm.db', 'state'] },
  },
  'vms.*.on_exit': {
    changed: { edit: ['image: bare\n    cpus', 'image: bare\n    on_exit: keep\n    cpus'], at: ['vm.db', 'on_exit'] },
  },
  'vms.*.ready': {
    changed: {
      edit: ['image: bare\n    cpus', 'image: bare\n    ready: { boot: true }\n    cpus'],
      at: ['vm.db', 'ready'],
    },
  },
  'vms.*.depends_on': { changed: { edit: ['    depends_on: [db]\n', ''], at: ['vm.web', 'depends_on'] } },
  'vms.*.lifecycle': {
    changed: {
      edit: ['depends_on: [db]', 'depends_on: [db]\n    lifecycle: { prevent_destroy: true }'],
      at: ['vm.web', 'lifecycle'],
    },
  },
};

/** The world after an apply, with every VM started with less memory than it has now. */
function worldOf(driver: Capabilities, host: Edit['host']): Applied {
  const world = applied(file, driver, host === undefined ? {} : { connectivity: host });
  const resources = world.state.resources.map((record) =>
    record.kind === 'vm' ? { ...record, facts: { bootMemoryBytes: 256 * 2 ** 20 } } : record,
  );
  return { ...world, state: { ...world.state, resources } };
}

function fieldIn(plan: Plan, [address, field]: Edit['at']): FieldChange | undefined {
  const change = plan.changes.find((candidate) => candidate.address === address);
  return change !== undefined && 'fields' in change ? change.fields.find((found) => found.field === field) : undefined;
}

/** Plans the edit of a case with a driver and compares the cost. */
function check(t: Test, name: string, entry: ImpactCase, { edit, at, host }: Edit, driver: Capabilities): void {
  if (host === 'user-net' && !driver.userNetwork) return;
  const who = `${name} with ${driver.driver} ${driver.version} ${driver.acceleration}`;
  const plan = planOf({ from: worldOf(driver, host), to: file.replace(...edit), driver });
  if (entry.impact === 'refused' || !plan.ok) {
    t.equal(plan.ok, entry.impact !== 'refused', who);
    return;
  }
  const found = fieldIn(plan.value, at);
  const { impact, reason } = costOf(entry as PayableCase, driver);
  t.equal(found?.impact, impact, who);
  if (at[0] !== 'sandbox') t.equal(found?.reason, reason, `${who} says why`);
}

for (const [field, row] of Object.entries(impactTable) as readonly (readonly [ImpactField, ImpactRow])[]) {
  t.test(`${field} costs what its row says, with every driver`, async (t) => {
    for (const [name, entry] of Object.entries(row.cases)) {
      const planned = (edits[field] as Readonly<Record<string, Edit>>)[name] as Edit;
      t.not(file.replace(...planned.edit), file, `${name}: the edit changes the file`);
      for (const driver of drivers) check(t, name, entry, planned, driver);
    }
  });
}

t.test('what a driver cannot do live is a restart, as the VMM documents it', async (t) => {
  const restarts = (able: keyof Capabilities): readonly string[] =>
    drivers
      .filter((driver) => driver[able] === 'restart')
      .map(({ driver, version, acceleration }) => `${driver} ${version} ${acceleration}`);
  t.strictSame(restarts('cpuShrink'), ['cloud-hypervisor 34.0 kvm', 'qemu 6.2.0 tcg', 'qemu 7.2.22 tcg']);
  t.strictSame(restarts('cpuGrow'), ['qemu 6.2.0 tcg']);
  t.strictSame(
    restarts('diskGrow'),
    Array.from({ length: 16 }, (_none, at) => `cloud-hypervisor ${34 + at}.0 kvm`),
  );
  t.strictSame(new Set(drivers.map((driver) => driver.memoryStepBytes)), new Set([2 * 2 ** 20]));
  for (const able of ['memoryGrow', 'memoryShrink', 'diskAttach', 'diskDetach'] as const)
    t.strictSame(restarts(able), [], able);
});

t.test('a VM that does not run takes every change at its next boot, and what only sbx reads at once', async (t) => {
  const from = worldOf(drivers.at(-2) as Capabilities, undefined);
  const cases = [
    ['state: stopped', 'state: stopped\n    cpus: 2', 'cpus.count', 'next-boot'],
    ['state: stopped', 'state: stopped\n    env: { A: b }', 'env.A', 'next-boot'],
    ['state: stopped', 'state: stopped\n    disks: { tmp: { size: 1GiB } }', 'disks.tmp', 'next-boot'],
    ['state: stopped', 'state: stopped\n    on_exit: keep', 'on_exit', 'live'],
  ] as const;
  for (const [before, after, field, impact] of cases) {
    const plan = mustPlan({ from, to: file.replace(before, after) });
    t.equal(fieldIn(plan, [addressOf('off'), field])?.impact, impact, field);
  }
});

t.test('docs/impact.md and the hovers of the schema say the same', async (t) => {
  const script = fileURLToPath(new URL('../../scripts/generate-impact-docs.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8', timeout: 300_000 });
  t.equal(status, 0, stderr);
});
