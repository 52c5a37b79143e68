// Hand-overs: at no moment of any apply or rollback do two have one exclusive thing (address, MAC address, port, volume, subnet),
// whatever the change from one random file to another is, and wherever it fails.
import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { SbxError } from '../../src/core/errors.ts';
import { clash, type Holding, holdingsOf, takenBy } from '../../src/core/plan/holdings.ts';
import type { Plan } from '../../src/core/plan/plan.ts';
import type { StepAction, StepOp } from '../../src/core/plan/steps.ts';
import { applyPlan } from '../../src/engine/apply.ts';
import type { Performers } from '../../src/engine/provider.ts';
import { type Applied, applied, planOf } from '../support/planning.ts';
import { propertyOptions } from '../support/property.ts';

interface Vm {
  readonly network: number;
  readonly port: boolean;
  readonly volume: number | null;
  readonly readonly: boolean;
  readonly after: boolean;
  readonly state: 'running' | 'stopped';
  readonly cpus: number;
}

interface File {
  /** Names of the networks, by subnet */
  readonly networks: readonly string[];
  readonly vms: Readonly<Record<string, Vm>>;
  /** An order of addresses, ports and names, dealt out in turn */
  readonly deal: readonly number[];
}

const arbitraryVm: fc.Arbitrary<Vm> = fc.record({
  network: fc.nat(1),
  port: fc.boolean(),
  volume: fc.option(fc.nat(1)),
  readonly: fc.boolean(),
  after: fc.boolean(),
  state: fc.constantFrom('running', 'running', 'running', 'stopped'),
  cpus: fc.integer({ min: 1, max: 2 }),
});
const names = ['a', 'b', 'c', 'd'];
const arbitraryFile: fc.Arbitrary<File> = fc.record({
  networks: fc.constantFrom(['lan', 'net'], ['net', 'lan'], ['lan', 'wan'], ['wan', 'net']),
  vms: fc.dictionary(fc.constantFrom(...names), arbitraryVm, { noNullPrototype: true }),
  deal: fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }),
});

/** A file that is valid: what would be written by two is left out of the second. */
function textOf(file: File): string {
  const writes = new Map<number, boolean>();
  const vms = Object.entries(file.vms).map(([name, vm], at) => {
    const number = file.deal[at] ?? 0;
    const port = vm.port ? `, ports: ["${8080 + number}:80"]` : '';
    const before = Object.keys(file.vms)[at - 1];
    const after = vm.after && before !== undefined ? `, depends_on: { ${before}: started }` : '';
    const lan = `${file.networks[vm.network]}: { address: 10.7${vm.network}.0.${10 + number}${port} }`;
    const cpus = `cpus: { count: ${vm.cpus}, max: 2 }`;
    return `  ${name}: { image: base, ${cpus}, state: ${vm.state}, networks: { ${lan} }${diskOf(vm, writes)}${after} }\n`;
  });
  const networks = file.networks.map((name, at) => `${name}: { subnet: 10.7${at}.0.0/24, mode: nat }`);
  return `version: 1
name: shop
images: { base: { build: tiny } }
volumes: { v0: { size: 1GiB }, v1: { size: 1GiB } }
networks: { ${networks.join(', ')} }
vms:${vms.length === 0 ? ' {}' : `\n${vms.join('')}`}
`;
}

function diskOf({ volume, readonly }: Vm, writes: Map<number, boolean>): string {
  if (volume === null) return '';
  const written = writes.get(volume);
  if (written !== undefined && (written || !readonly)) return '';
  writes.set(volume, !readonly);
  return `, disks: { data: { volume: v${volume}, readonly: ${readonly} } }`;
}

/** A host on paper: who has what. Everything is taken when a step begins, and let go when one has ended. */
class World {
  readonly #held = new Map<Address, Map<string, Holding>>();
  readonly clashes: string[] = [];

  constructor({ state, observed }: Applied) {
    for (const { address, kind, attrs } of state.resources) {
      if (kind === 'network') this.#take(address, 'bridge', holdingsOf(attrs));
      if (kind !== 'vm') continue;
      if (attrs.state === 'running') this.#take(address, 'vmm', holdingsOf(attrs));
      // Without a namespace there are no taps.
      for (const [nic, end] of observed.host.connectivity === 'user-net' ? [] : Object.entries(attrs.nics))
        this.#take(address, `tap ${nic}`, takenBy({ op: 'vm.tap', nic, ...end }));
    }
  }

  begins(address: Address, action: StepAction): void {
    const taken = takenBy(action);
    if (action.op === 'vm.start') this.#take(address, 'vmm', taken);
    if (action.op === 'vm.tap') this.#take(address, `tap ${action.nic}`, taken);
    if (action.op === 'vm.disk-attach') this.#take(address, 'vmm', taken);
    if (action.op === 'network.ensure') {
      this.#drop(address, 'bridge');
      this.#take(address, 'bridge', taken);
    }
  }

  ends(address: Address, action: StepAction): void {
    if (action.op === 'vm.stop') this.#drop(address, 'vmm');
    if (action.op === 'vm.tap-remove') this.#drop(address, `tap ${action.nic}`);
    if (action.op === 'vm.disk-detach') this.#drop(address, 'vmm', action.disk);
    if (action.op === 'network.remove') this.#drop(address, 'bridge');
  }

  #take(address: Address, place: string, holdings: readonly Holding[]): void {
    for (const holding of holdings) {
      const others = [...this.#held].flatMap(([other, held]) => (other === address ? [] : [...held.values()]));
      for (const theirs of others)
        if (theirs.thing === holding.thing && clash(theirs, holding))
          this.clashes.push(`${address} (${place}) takes the ${holding.thing} that another one has`);
      const own = this.#held.get(address) ?? new Map<string, Holding>();
      this.#held.set(address, own.set(`${place}/${holding.thing}`, holding));
    }
  }

  #drop(address: Address, place: string, part?: string): void {
    const own = this.#held.get(address);
    for (const [key, holding] of own ?? [])
      if (key.startsWith(`${place}/`) && (part === undefined || holding.part === part)) own?.delete(key);
  }
}

/** Carries a plan out with several steps at a time, of which one fails, and takes it back then. */
async function carryOut(
  plan: Plan,
  from: Applied,
  world: World,
  failing: number,
  turns: readonly number[],
): Promise<void> {
  let count = 0;
  const performers = new Proxy({} as Performers, {
    get:
      (_target, op: StepOp) =>
      async (action: StepAction, { address }: { readonly address: Address }) => {
        world.begins(address, { ...action, op } as StepAction);
        const at = count++;
        // Steps that run side by side end in any order.
        for (let turn = turns[at % turns.length] ?? 0; turn > 0; turn -= 1) await new Promise(setImmediate);
        if (at === failing) throw new SbxError('SBX5001', 'it burned');
        world.ends(address, { ...action, op } as StepAction);
        return {};
      },
  });
  await applyPlan({
    plan,
    resources: new Map(from.state.resources.map((record) => [record.address, record])),
    outputs: {},
    journal: { append: async () => undefined },
    performers,
    emit: () => undefined,
    parallelism: 4,
    signal: new AbortController().signal,
    now: () => performance.now(),
    onFailure: 'rollback',
  });
}

/** Networks that swap their subnets have a moment in which both have one; their VMs are off by then. */
function swaps(a: File, b: File): boolean {
  return a.networks.some((name, at) => b.networks.includes(name) && b.networks.indexOf(name) !== at);
}

for (const connectivity of ['namespace', 'user-net'] as const)
  t.test(`no thing is ever had by two (${connectivity})`, async (t) => {
    let taken = 0;
    const property = fc.asyncProperty(
      arbitraryFile,
      arbitraryFile,
      fc.nat(60),
      fc.array(fc.nat(4), { minLength: 1, maxLength: 12 }),
      async (a, b, failing, turns) => {
        const from = applied(textOf(a), undefined, { connectivity });
        const plan = planOf({ from, to: textOf(b) });
        if (!plan.ok) throw new TypeError(JSON.stringify(plan.diagnostics));
        const world = new World(from);
        await carryOut(plan.value, from, world, failing, turns);
        taken += plan.value.steps.length;
        const told = swaps(a, b) ? world.clashes.filter((text) => !text.includes('subnet')) : world.clashes;
        if (told.length > 0) throw new TypeError(told.join('\n'));
      },
    );
    await t.resolves(fc.assert(property, propertyOptions({ few: 150, many: 5000 })));
    t.ok(taken > 0);
  });
