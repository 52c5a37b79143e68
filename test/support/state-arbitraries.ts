// Arbitrary states and journals: every member of the types occurs, so that a schema that forgets one is found out.
import fc from 'fast-check';
import type { Address, Kind } from '../../src/core/address.ts';
import { kindOf } from '../../src/core/address.ts';
import type { Json } from '../../src/core/json.ts';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import type { JournalHeader } from '../../src/core/state/journal-text.ts';
import type { RecordedOutput, ResourceRecord, State } from '../../src/core/state/state.ts';

/** A few of each kind, so that records of a journal meet each other. */
export const addresses = [
  'sandbox',
  'image.base',
  'volume.pg',
  'network.lan',
  'vm.web[0]',
  'vm.web[1]',
  'vm.job["a/b ü"]',
] as const as readonly string[] as readonly Address[];

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.constantFrom('a', '\n', '\u2028', '\0', '"', 'ü'),
);
const count = fc.nat({ max: 2 ** 40 });
const port = fc.nat({ max: 65535 });
const name = fc.constantFrom('lan', 'data', '__proto__', 'constructor', '1');
const address = fc.constantFrom(...addresses);
const words = fc.array(text, { maxLength: 2 });
const dictionary = <T>(value: fc.Arbitrary<T>) => fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true });
const optional = { requiredKeys: [] as [] };

const published = {
  hostIp: text,
  hostPort: port,
  guestPort: port,
  protocol: fc.constantFrom('tcp' as const, 'udp' as const),
};
const mode = fc.constantFrom('nat' as const, 'isolated' as const);
const processRef = fc.record({ pid: count, startTime: text, bootId: text });

const disk = fc.oneof(
  fc.record({ type: fc.constant('root' as const), sizeBytes: fc.option(count) }),
  fc.record({ type: fc.constant('scratch' as const), sizeBytes: count }),
  fc.record({ type: fc.constant('volume' as const), volume: address, sizeBytes: count, readonly: fc.boolean() }),
);
const nic = fc.record({
  network: address,
  ip: text,
  prefix: count,
  gateway: text,
  mac: text,
  forwards: fc.array(fc.record(published), { maxLength: 2 }),
});
const ready = fc.oneof(
  fc.record({ type: fc.constant('boot' as const), timeoutMs: count }),
  fc.record({ type: fc.constant('tcp' as const), timeoutMs: count, port }),
  fc.record({ type: fc.constant('http' as const), timeoutMs: count, port, path: text }),
  fc.record({ type: fc.constant('exec' as const), timeoutMs: count, argv: words }),
);
const source = fc.oneof(
  fc.record({ type: fc.constant('build' as const), recipe: text }),
  fc.record(
    { type: fc.constant('files' as const), kernel: text, initrd: text, cmdline: text, disk: text },
    { requiredKeys: ['type', 'kernel'] },
  ),
);

const attrs = {
  sandbox: fc.record({
    connectivity: fc.constantFrom('namespace' as const, 'user-net' as const),
    expiresMs: fc.option(count),
    uplink: fc.boolean(),
    networks: dictionary(fc.record({ mode, subnet: text })),
    forwards: fc.array(fc.record({ ...published, vm: address, network: text, guestIp: text }), { maxLength: 2 }),
  }),
  image: fc.record({ source, digest: text }),
  volume: fc.record({ sizeBytes: count, protect: fc.boolean() }),
  network: fc.record({ mode, subnet: text, gateway: text }),
  vm: fc.record({
    image: address,
    imageDigest: text,
    cmdline: text,
    hostname: text,
    cpus: fc.record({ count, max: count }),
    memory: fc.record({ sizeBytes: count, maxBytes: count }),
    disks: dictionary(disk),
    nics: dictionary(nic),
    env: dictionary(fc.oneof(text, fc.record({ sensitive: text }))),
    state: fc.constantFrom('running' as const, 'stopped' as const),
    hold: fc.boolean(),
    onExit: fc.constantFrom('restart' as const, 'keep' as const),
    ready: fc.option(ready),
    lifecycle: fc.record({
      preventDestroy: fc.boolean(),
      ignoreChanges: words,
      replaceTriggeredBy: fc.array(address, { maxLength: 2 }),
    }),
    driver: fc.constantFrom('cloud-hypervisor' as const, 'qemu' as const),
  }),
};

const facts = {
  sandbox: fc.record(
    {
      holder: processRef,
      keeper: processRef,
      userns: fc.boolean(),
      netns: text,
      uplink: processRef,
      expiresAtMs: count,
    },
    optional,
  ),
  image: fc.record({ cacheKey: text }, optional),
  volume: fc.record({ path: text }, optional),
  network: fc.record({ bridge: text }, optional),
  vm: fc.record(
    {
      process: processRef,
      vmmVersion: text,
      startedAtMs: count,
      bootMemoryBytes: count,
      owes: fc.array(address, { maxLength: 2 }),
    },
    optional,
  ),
};

const status = fc.constantFrom('creating' as const, 'ready' as const, 'deleting' as const);
const step = fc.constantFrom('s1', 's2', 's3');

/** A record of one address, of the kind that the address has. */
export function recordOf(of: Address): fc.Arbitrary<ResourceRecord> {
  const kind: Kind = kindOf(of);
  const members = {
    kind: fc.constant(kind),
    address: fc.constant(of),
    status,
    pending: fc.record({ step, op: text }),
    attrs: attrs[kind] as fc.Arbitrary<unknown>,
    facts: facts[kind] as fc.Arbitrary<unknown>,
    dependsOn: fc.array(address, { maxLength: 2 }),
  };
  const requiredKeys = ['kind', 'address', 'status', 'attrs', 'facts', 'dependsOn'] as const;
  // The table of kinds above pairs them; the union of records cannot be inferred from it.
  return fc.record(members, {
    requiredKeys: [...requiredKeys],
  }) as fc.Arbitrary<unknown> as fc.Arbitrary<ResourceRecord>;
}

const outputs: fc.Arbitrary<Record<string, RecordedOutput>> = dictionary(
  fc.oneof(fc.record({ value: fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json> }), fc.record({ sensitive: text })),
);
const head = { lineage: text, name: text, instance: text, folder: text, files: words };

/** Any state that a file may hold. */
export const anyState: fc.Arbitrary<State> = fc.record(
  {
    format_version: fc.constant(1 as const),
    sbx_version: text,
    serial: count,
    ...head,
    resources: fc
      .uniqueArray(address, { maxLength: addresses.length })
      .chain((some) => fc.tuple(...some.map((one) => recordOf(one)))),
    outputs,
  },
  {
    requiredKeys: [
      'format_version',
      'sbx_version',
      'serial',
      'lineage',
      'name',
      'folder',
      'files',
      'resources',
      'outputs',
    ],
  },
);

/** Any first record of a journal. */
export const anyHeader: fc.Arbitrary<JournalHeader> = fc.record(
  {
    type: fc.constant('open' as const),
    format_version: fc.constant(1 as const),
    sbx_version: text,
    serial: count,
    command: text,
    pid: count,
    atMs: count,
    ...head,
  },
  {
    requiredKeys: ['type', 'format_version', 'serial', 'command', 'pid', 'atMs', 'lineage', 'name', 'folder', 'files'],
  },
);

function recordsAbout(of: Address): fc.Arbitrary<JournalRecord> {
  const kind = kindOf(of);
  const patch = fc.record(
    {
      type: fc.constant('patched' as const),
      status,
      attrs: attrs[kind] as fc.Arbitrary<object>,
      facts: facts[kind] as fc.Arbitrary<object>,
      drops: fc.subarray(['process', 'owes'] as const),
      pending: fc.record({ step, op: text }),
    },
    { requiredKeys: ['type'] },
  );
  const common = { step, address: fc.constant(of) };
  return fc.oneof(
    fc.record(
      { type: fc.constant('begin' as const), ...common, op: text, record: recordOf(of) },
      { requiredKeys: ['type', 'step', 'address', 'op'] },
    ),
    fc.record({
      type: fc.constant('done' as const),
      ...common,
      after: fc.oneof(fc.constant({ type: 'removed' as const }), patch),
    }),
    fc.record({ type: fc.constant('failed' as const), ...common, reason: text }),
  ) as fc.Arbitrary<JournalRecord>;
}

/** Any record but the first. */
export const anyRecord: fc.Arbitrary<JournalRecord> = fc.oneof(
  { weight: 9, arbitrary: address.chain(recordsAbout) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('close' as const), outputs }) },
);

/** What follows the first record. */
export const anyRecords: fc.Arbitrary<JournalRecord[]> = fc.array(anyRecord, { maxLength: 25 });
