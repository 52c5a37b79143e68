// Known before it fails: what this host cannot give to the plan, all of it at once, and only what the plan needs.
import t from 'tap';
import type { Diagnostic } from '../../../src/core/diagnostic.ts';
import type { HostFacts, ImageObservation } from '../../../src/core/observed.ts';
import { capabilitiesOf } from '../../../src/vmm/cloud-hypervisor/capabilities.ts';
import { ableDriver, applied, type Planning, planOf } from '../../support/planning.ts';

const file = `version: 1
name: shop
images: { own: { kernel: ./vmlinuz, disk: ./root.img } }
volumes: { pg: { size: 1GiB } }
networks: { lan: { subnet: 10.68.0.0/24, mode: isolated } }
vms:
  db:
    image: own
    cpus: { count: 2, max: 8 }
    memory: { size: 512MiB, max: 2GiB }
    disks: { root: { size: 2GiB }, data: { volume: pg } }
    networks: { lan: { address: 10.68.0.10 } }
`;
const mebi = 2 ** 20;

interface Asked extends Planning {
  readonly host?: Partial<HostFacts>;
  readonly image?: Partial<ImageObservation>;
}

/** Errors, or warnings where there are none. */
function found({ host = {}, image = {}, ...planning }: Asked): readonly Diagnostic[] {
  const seen = applied(planning.to ?? file).observed;
  const sandbox = { ...seen.sandbox, forwards: [] };
  const world = planning.from ?? {
    state: undefined,
    observed: { ...seen, sandbox, vms: new Map(), volumes: new Map() },
  };
  const images = new Map([...world.observed.images].map(([at, seen]) => [at, { ...seen, ...image }]));
  const observed = { ...world.observed, images, host: { ...world.observed.host, ...host } };
  const state = world.state ?? { ...applied(file).state, resources: [] };
  const plan = planOf({ to: file, ...planning, from: { state, observed } });
  return plan.ok ? plan.value.warnings : plan.diagnostics;
}

const codes = (asked: Asked): readonly string[] => found(asked).map(({ code }) => code);
const nft = { program: 'nft', package: 'nftables', why: 'loads the packet filter of a sandbox' };
const slirp = { program: 'slirp4netns', package: 'slirp4netns', why: 'is the way out of networks of mode nat' };

t.test('a host that has everything is not spoken of', async (t) => {
  t.strictSame(codes({}), []);
});

t.test('everything that is missing is said at once', async (t) => {
  const host = { memoryAvailableBytes: 100 * mebi, diskAvailableBytes: 10 * mebi, cpus: 1, missing: [nft] };
  t.strictSame(codes({ host, image: { diskUsedBytes: 20 * mebi } }), ['SBX3101', 'SBX3112', 'SBX3107', 'SBX3108']);
});

t.test('the logs of new VMs count, since a guest can fill them up to their bound', async (t) => {
  const to = file.replace('disks: { root: { size: 2GiB }, data: { volume: pg } }', 'disks: { root: { size: 2GiB } }');
  const disks = 2048 + 1024;
  t.strictSame(codes({ to, host: { diskAvailableBytes: (disks + 47) * mebi } }), ['SBX3109']);
  t.strictSame(codes({ to, host: { diskAvailableBytes: (disks + 48) * mebi } }), []);
});

t.test('memory counts what starts and what grows, less what is given back', async (t) => {
  const from = applied(file);
  const to = file.replace('size: 512MiB', 'size: 1GiB');
  t.strictSame(codes({ from, to, host: { memoryAvailableBytes: 511 * mebi } }), ['SBX3101'], 'grows by 512MiB');
  t.strictSame(codes({ from, to, host: { memoryAvailableBytes: 512 * mebi } }), []);
  const restarts = file.replace('max: 8', 'max: 4');
  t.strictSame(codes({ from, to: restarts, host: { memoryAvailableBytes: 0 } }), [], 'a restart takes what it had');
});

t.test('more vCPUs than CPUs is a warning, also when they are plugged in', async (t) => {
  t.strictSame(codes({ host: { cpus: 1 } }), ['SBX3108']);
  const from = applied(file);
  t.strictSame(codes({ from, to: file.replace('count: 2', 'count: 4'), host: { cpus: 3 } }), ['SBX3108']);
  t.strictSame(codes({ from, host: { cpus: 1 } }), [], 'not when nothing changes');
});

t.test('disks: copies that do not fit are an error, sizes that may not fit one day a warning', async (t) => {
  const host = { diskAvailableBytes: 100 * mebi };
  t.strictSame(codes({ host, image: { diskUsedBytes: 101 * mebi } }), ['SBX3112']);
  t.strictSame(codes({ host, image: { diskUsedBytes: 50 * mebi } }), ['SBX3109']);
  t.strictSame(codes({ image: { diskBytes: 3 * 2 ** 30 } }), ['SBX3115'], 'a root disk below the size of its image');
  t.strictSame(codes({ host, image: { takesBytes: 101 * mebi } }), ['SBX3112'], 'the copy in the cache');
  t.strictSame(codes({ host, image: { takesBytes: 50 * mebi } }), ['SBX3109']);
  const packed = (diskPackedBytes: number, diskUsedBytes: number) =>
    codes({ image: { diskPackedBytes, diskUsedBytes } });
  t.strictSame(packed(393_000, 512 * mebi), ['SBX3117']);
  t.strictSame(packed(600 * mebi, 2200 * mebi), [], 'a cloud image as they are');
  t.strictSame(packed(393_000, 64 * mebi), [], 'nothing large');
  const from = applied(file);
  t.strictSame(
    codes({ from, host: { diskAvailableBytes: 0 }, to: file.replace('max: 8', 'max: 4') }),
    [],
    'disks that are there already',
  );
  t.strictSame(
    codes({ from, host, to: file.replace('pg: { size: 1GiB }', 'pg: { size: 2GiB }') }),
    ['SBX3109'],
    'growth',
  );
});

t.test('a program may be missing as long as no step runs it', async (t) => {
  t.strictSame(codes({ host: { missing: [slirp] } }), [], 'no network of mode nat');
  const nat = file.replace('mode: isolated', 'mode: nat');
  const [missing] = found({ to: nat, host: { missing: [slirp] } });
  t.match(missing, {
    code: 'SBX3107',
    detail: 'slirp4netns is not installed: it is the way out of networks of mode nat.',
    hint: /apt-get install slirp4netns/,
  });
  t.strictSame(codes({ host: { missing: [nft] } }), ['SBX3107']);
  t.strictSame(
    codes({
      to: 'version: 1\nname: shop\nvolumes: { pg: { size: 1GiB } }\n',
      from: applied('version: 1\nname: shop\nvolumes: { pg: { size: 1GiB } }\n'),
      host: { missing: [nft] },
    }),
    [],
  );
});

t.test('without namespaces the plan says why, what follows, and what to allow', async (t) => {
  const host = {
    connectivity: 'user-net',
    connectivityReason: 'kernel.unprivileged_userns_clone is 0',
    connectivityHint: 'sudo sysctl kernel.unprivileged_userns_clone=1',
  } as const;
  const [warning, ...none] = found({ host });
  t.match(warning, {
    code: 'SBX3104',
    detail: /no other VM \(kernel\.unprivileged_userns_clone is 0\)/,
    hint: /^sudo sysctl/,
  });
  t.strictSame(none, []);
  const [error] = found({ host, driver: capabilitiesOf({ major: 53, minor: 0 }, '/ch') });
  t.match(error, { code: 'SBX3103', severity: 'error', hint: /--vmm qemu[\s\S]*sudo sysctl/ });
});

t.test(
  "without namespaces, a network of mode nat leads to this host's loopback only when that is allowed",
  async (t) => {
    const host = { connectivity: 'user-net' } as const;
    const nat = file.replace('mode: isolated', 'mode: nat');
    const refused = found({ to: nat, host, options: { allowHostLoopback: false } });
    t.match(
      refused.find(({ code }) => code === 'SBX3122'),
      { severity: 'error', detail: /127\.0\.0\.1/, hint: /--allow-host-loopback/ },
    );
    const allowed = { host, options: { allowHostLoopback: true } };
    t.match(found({ to: nat, ...allowed }), [{ code: 'SBX3104', detail: /127\.0\.0\.1/ }]);
    t.strictSame(codes({ host, options: { allowHostLoopback: false } }), ['SBX3104'], 'isolated ones are closed');
    const from = applied(nat, undefined, host);
    t.strictSame(
      codes({ from, to: nat, host, options: { allowHostLoopback: false } }),
      [],
      'what runs is not asked about',
    );
  },
);

t.test('without namespaces, a VM is closed or opened by starting it anew', async (t) => {
  const host = { connectivity: 'user-net' } as const;
  const nat = file.replace('mode: isolated', 'mode: nat');
  for (const [was, is] of [
    [nat, file],
    [file, nat],
  ] as const) {
    const plan = planOf({ from: applied(was, undefined, host), to: is });
    t.match(plan.ok && plan.value.impact, 'restart');
    const started = plan.ok ? plan.value.steps.flatMap(({ action }) => (action.op === 'vm.start' ? [action] : [])) : [];
    t.ok(started.length > 0);
    for (const { attrs } of started)
      for (const nic of Object.values(attrs.nics)) t.equal(nic.isolated, is === file ? true : undefined);
  }
});

t.test('a release of the VMM with a known fault is named when VMs start on it', async (t) => {
  const driver = capabilitiesOf({ major: 52, minor: 0 }, '/ch');
  const [warning] = found({ driver });
  t.match(warning, {
    code: 'SBX3113',
    severity: 'warning',
    detail: /^cloud-hypervisor 52\.0 uses about twice the memory/,
  });
  t.strictSame(codes({ driver, from: applied(file, driver) }), [], 'not on every plan');
  t.strictSame(codes({ driver: capabilitiesOf({ major: 53, minor: 0 }, '/ch') }), []);
});

t.test('ports of the host: somebody listens, or another sandbox has them', async (t) => {
  const to = file
    .replace('mode: isolated', 'mode: nat')
    .replace('address: 10.68.0.10', 'address: 10.68.0.10, ports: ["5432"]');
  t.strictSame(codes({ to, host: { listeners: new Set(['127.0.0.1:5432/tcp']) } }), ['SBX3106']);
  t.strictSame(codes({ to, host: { listeners: new Set(['0.0.0.0:5432/tcp']) } }), ['SBX3106']);
  t.strictSame(codes({ to, host: { listeners: new Set(['[::]:5432/tcp']) } }), ['SBX3106'], 'IPv6 takes IPv4 with it');
  t.strictSame(codes({ to, host: { listeners: new Set(['127.0.0.1:5432/udp']) } }), []);
  t.strictSame(codes({ to, host: { reserved: new Map([['0.0.0.0:5432/tcp', 'other']]) } }), ['SBX3106']);
  t.strictSame(codes({ to, host: { reserved: new Map([['127.0.0.1:5432/tcp', 'other']]) } }), ['SBX3106']);
  t.strictSame(
    codes({ to, from: applied(to), host: { listeners: new Set(['127.0.0.1:5432/tcp']) } }),
    [],
    'it is ours already',
  );
  const quiet = applied(to.replace(', ports: ["5432"]', ''));
  const sandbox = { ...quiet.observed.sandbox, forwards: ['127.0.0.1:5432/tcp→10.68.0.10:5432'] };
  t.strictSame(
    codes({
      to,
      from: { ...quiet, observed: { ...quiet.observed, sandbox } },
      host: { listeners: new Set(['127.0.0.1:5432/tcp']) },
    }),
    [],
    'an apply opened it and was killed before it could record that',
  );
  // Where namespaces are forbidden, the VMs publish their ports themselves.
  const host = { connectivity: 'user-net', listeners: new Set(['127.0.0.1:5432/tcp']) } as const;
  t.match(codes({ to, host }), ['SBX3106']);
  t.notOk(
    codes({ to, from: applied(to, undefined, { connectivity: 'user-net' }), host }).includes('SBX3106'),
    'it is ours already',
  );
  const before = applied(to.replace('["5432"]', '[]'), undefined, { connectivity: 'user-net' });
  const resources = before.state.resources.map((record) =>
    record.kind === 'vm' ? { ...record, pending: { step: 'vm.db/vm.start', op: 'vm.start' } } : record,
  );
  const cut = { ...before, state: { ...before.state, resources } };
  t.ok(codes({ to, from: before, host }).includes('SBX3106'));
  t.notOk(codes({ to, from: cut, host }).includes('SBX3106'), 'its VMM may have been started with it');
});

t.test('nothing is asked of a host that only removes', async (t) => {
  const host = { memoryAvailableBytes: 0, diskAvailableBytes: 0, cpus: 1, missing: [nft, slirp] };
  const world = applied(file);
  const plan = planOf({
    from: { ...world, observed: { ...world.observed, host: { ...world.observed.host, ...host } } },
    mode: 'destroy',
    driver: ableDriver,
  });
  t.ok(plan.ok);
});
