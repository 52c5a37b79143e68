import { chmod, mkdir, mkdtemp, rm, stat, utimes, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { detectCloudHypervisor } from '../../../src/vmm/cloud-hypervisor/detect.ts';

const usable = async () => ({ usable: true, reason: '' });

async function binaryThat(t: Test, script: string): Promise<string> {
  const root = await mkdtemp('/tmp/dt-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await writeFile(`${root}/cloud-hypervisor`, `#!/bin/sh\n${script}\n`);
  await chmod(`${root}/cloud-hypervisor`, 0o755);
  return root;
}

t.test('a supported release with KVM is available', async (t) => {
  const root = await binaryThat(t, 'echo cloud-hypervisor v51.1; echo Migration Protocol Versions: 1');
  const found = await detectCloudHypervisor({ path: `/nowhere:${root}`, kvm: usable });
  t.match(found, { available: true, capabilities: { version: '51.1', path: `${root}/cloud-hypervisor` } });
});

t.test('reasons why there is none', async (t) => {
  const cases = [
    { name: 'too old', script: 'echo cloud-hypervisor v33.0', want: /33\.0, which is too old/ },
    { name: 'no version', script: 'echo hello', want: /nothing that is understood/ },
    { name: 'fails', script: 'exit 3', want: /cannot be asked/ },
  ];
  for (const { name, script, want } of cases) {
    const found = await detectCloudHypervisor({ path: await binaryThat(t, script), kvm: usable });
    t.match(found, { available: false, reason: want }, name);
  }
  const good = await binaryThat(t, 'echo cloud-hypervisor v53.0');
  const without = await detectCloudHypervisor({
    path: good,
    kvm: async () => ({ usable: false, reason: 'no device' }),
  });
  t.match(without, { available: false, reason: /KVM: no device/ });
  t.match(await detectCloudHypervisor({ path: '/nowhere', kvm: usable }), { available: false, reason: /PATH/ });
});

t.test('without io_uring, releases that need it for that do not grow disks live', async (t) => {
  const root = await mkdtemp('/tmp/dt-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const cases = [
    { version: '51.1', disabled: '2', want: 'restart' },
    { version: '51.1', disabled: '0', want: 'live' },
    { version: '51.1', disabled: '1', want: process.geteuid?.() === 0 ? 'live' : 'restart' },
    { version: '51.1', disabled: undefined, want: 'live' },
    { version: '52.0', disabled: '2', want: 'live' },
  ];
  for (const { version, disabled, want } of cases) {
    const path = await binaryThat(t, `echo cloud-hypervisor v${version}`);
    const ioUringPath = `${root}/${disabled}`;
    if (disabled !== undefined) await writeFile(ioUringPath, `${disabled}\n`);
    const found = await detectCloudHypervisor({ path, kvm: usable, ioUringPath });
    t.match(found, { capabilities: { diskGrow: want } }, `${version} with io_uring_disabled=${disabled}`);
  }
});

t.test('what is no program is passed over', async (t) => {
  const root = await mkdtemp('/tmp/dt-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(`${root}/a/cloud-hypervisor`, { recursive: true });
  await mkdir(`${root}/b`);
  await writeFile(`${root}/b/cloud-hypervisor`, 'not executable');
  const good = await binaryThat(t, 'echo cloud-hypervisor v53.0');
  const found = await detectCloudHypervisor({ path: `${root}/a:${root}/b:.:${good}`, kvm: usable });
  t.match(found, { available: true, capabilities: { path: `${good}/cloud-hypervisor` } });
});

t.test('a known file is not asked again, a changed one is', async (t) => {
  const root = await binaryThat(t, `echo asked >> ${'"$0.log"'}; echo cloud-hypervisor v53.0`);
  const first = await detectCloudHypervisor({ path: root, kvm: usable });
  const log = `${root}/cloud-hypervisor.log`;
  const { size } = await stat(log);
  const known = first.binary === undefined ? {} : { known: first.binary };
  t.match(await detectCloudHypervisor({ path: root, ...known, kvm: usable }), { available: true });
  t.equal((await stat(log)).size, size, 'not asked');
  await utimes(`${root}/cloud-hypervisor`, 1, 1);
  await detectCloudHypervisor({ path: root, ...known, kvm: usable });
  t.equal((await stat(log)).size, 2 * size, 'asked again');
});
