// Nothing invented: to each release of Cloud Hypervisor sbx sends only fields and calls that this release knows, and the
// plan after it is empty.
import t from 'tap';
import { type FakeCall, startHub } from '../fakes/cloud-hypervisor/install.ts';
import { applyOver, type ChainLink, destroyAll, makeChainHost } from '../support/chain.ts';
import { liveChanges } from '../support/live-changes.ts';
import { cannotOpenSpaces, soak } from '../support/property.ts';
import { Tally } from '../support/tally.ts';

t.setTimeout(10 * 60_000);

/** Fields of the requests, and the first release that has them. Source: the OpenAPI file of each release. */
const fields: Readonly<Record<string, number>> = {
  ...{ 'cpus.boot_vcpus': 34, 'cpus.max_vcpus': 34 },
  ...{ 'memory.size': 34, 'memory.hotplug_method': 34, 'memory.hotplug_size': 34 },
  ...{ 'payload.kernel': 34, 'payload.cmdline': 34, 'payload.initramfs': 34 },
  ...{ 'disks.id': 34, 'disks.path': 34, 'disks.readonly': 34, 'disks.direct': 34, 'disks.serial': 35 },
  ...{ 'disks.image_type': 50.1, 'disks.backing_files': 50.1 },
  ...{ 'net.id': 34, 'net.tap': 34, 'net.mac': 34, 'net.num_queues': 34 },
  ...{ 'rng.src': 34, 'serial.mode': 34, 'serial.file': 34, 'console.mode': 34 },
  ...{ 'vsock.cid': 34, 'vsock.socket': 34, 'vsock.id': 34, 'platform.uuid': 34, 'platform.oem_strings': 34 },
  ...{ 'platform.system_uuid': 53 },
};
const calls: Readonly<Record<string, Readonly<Record<string, number>> | undefined>> = {
  'vm.create': fields,
  'vm.add-disk': Object.fromEntries(
    Object.entries(fields).flatMap(([name, since]) => (name.startsWith('disks.') ? [[name.slice(6), since]] : [])),
  ),
  'vm.resize': { desired_vcpus: 34, desired_ram: 34 },
  'vm.resize-disk': { id: 50, desired_size: 50 },
  'vm.remove-device': { id: 34 },
  'vm.boot': {},
  'vm.power-button': {},
  'vm.shutdown': {},
  'vm.delete': {},
  'vmm.shutdown': {},
  'vmm.ping': {},
  'vm.info': {},
};

/** The oldest release, the newest that the fake plays, and those around which requests change; all with --soak. */
const releases = soak
  ? [...Array.from({ length: 20 }, (_, at) => `${34 + at}.0`), '50.1']
  : ['34.0', '35.0', '39.0', '49.0', '50.0', '50.1', '53.0'];

for (const version of releases) {
  t.test(
    `release ${version} gets only what it knows, and the next plan is empty`,
    { skip: cannotOpenSpaces() },
    async (t) => {
      const hub = await startHub(`/tmp/sbxver-${process.pid}.sock`);
      t.teardown(() => hub.stop());
      const host = await makeChainHost(hub, { VERSION: version });
      t.teardown(host.discard);
      let link: ChainLink | undefined;
      for (const file of liveChanges) link = await applyOver(host, file, link, new Tally());
      await destroyAll(host, new Tally());
      const sent = await host.fake.calls();
      t.ok(sent.filter(({ action }) => action === 'vm.create').length >= 3, 'VMs were made, and made again');
      t.strictSame([...new Set(sent.flatMap((call) => unknownIn(call, Number(version))))], []);
    },
  );
}

/** Fields of a call, and the call itself, that a release does not know. */
function unknownIn({ action, body }: FakeCall, version: number): readonly string[] {
  const known = calls[action];
  if (known === undefined) return [action];
  const names = body === undefined || body === '' ? [] : namesIn(JSON.parse(body), '');
  return names.filter((name) => !((known[name] ?? 1000) <= version)).map((name) => `${action} ${name}`);
}

/** Paths of all members; members of lists have the name of the list. */
function namesIn(value: unknown, path: string): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => namesIn(item, path));
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => namesIn(inner, path === '' ? name : `${path}.${name}`));
}
