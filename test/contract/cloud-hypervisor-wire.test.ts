// The statements of rows.ts, put to the fake as several releases and to the real program where one runs.
// SBX_PROVEN names a file that learns which ids held on a real release.
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { isAtLeast, oldestVersion, parseVersion } from '../../src/vmm/cloud-hypervisor/version.ts';
import { installFake } from '../fakes/cloud-hypervisor/install.ts';
import { findRealCloudHypervisor, type RealCloudHypervisor } from './real-cloud-hypervisor.ts';
import { type Scene, scenes } from './rows.ts';
import type { WireWorld } from './wire.ts';

const readme = new URL('../fakes/cloud-hypervisor/README.md', import.meta.url);
const provenFile = new URL('../fakes/cloud-hypervisor/proven.json', import.meta.url);
/** Id → real releases on which the statement held */
const proven = JSON.parse(readFileSync(provenFile, 'utf8')) as Record<string, string[]>;
const ids = scenes.flatMap((scene) => scene.rows.map((row) => row.id));

t.setTimeout(60 * 60_000);
t.jobs = 3;

const real = await findRealCloudHypervisor();
// Where a real program is asked, the fakes were asked elsewhere: the lab is slow.
for (const version of typeof real === 'string' ? ['34.0', '40.0', '46.0', '50.0', '51.1', '53.0', '54.0'] : []) {
  t.test(`the fake, as release ${version}`, { timeout: 600_000 }, (t) => onFake(t, version));
}
t.test(
  'the real program',
  typeof real === 'string' ? { skip: `not run: ${real}` } : { timeout: 3_600_000 },
  async (t) => {
    if (typeof real !== 'string') await onReal(t, real);
  },
);

t.test('every id stands in the README of the fake, and the unproven ones are told', async (t) => {
  const text = readFileSync(readme, 'utf8');
  t.strictSame(
    ids.filter((id) => !text.includes(`\`${id}\``)),
    [],
    'ids without a row',
  );
  t.equal(new Set(ids).size, ids.length, 'no id twice');
  const unproven = ids.filter((id) => (proven[id] ?? []).length === 0);
  t.comment(unproven.length === 0 ? 'every id was proven on a real release' : `unproven: ${unproven.join(' ')}`);
  t.strictSame(
    Object.keys(proven).filter((id) => !ids.includes(id)),
    [],
    'proven ids that no longer exist',
  );
});

async function onFake(t: Test, version: string): Promise<void> {
  const root = await mkdtemp('/tmp/cw-');
  const fake = await installFake(`${root}/bin`, { VERSION: version });
  t.teardown(async () => {
    await fake.stop();
    await rm(root, { recursive: true, force: true });
  });
  await writeFile(`${root}/vmlinux`, '\u007fELF');
  const world = { binary: fake.path, version, kernel: `${root}/vmlinux`, initrd: undefined, cmdline: '' };
  await ask(t, { ...world, guestMs: 10_000, taps: true }, () => undefined);
}

async function onReal(t: Test, found: RealCloudHypervisor): Promise<void> {
  const { kernel, initrd, cmdline, capabilities, tap } = found;
  const world = { binary: capabilities.path, version: capabilities.version, kernel, initrd, cmdline };
  await ask(t, { ...world, guestMs: 600_000, taps: tap }, (id) => {
    proven[id] = [...new Set([...(proven[id] ?? []), world.version])].sort();
    const target = process.env['SBX_PROVEN'];
    if (target !== undefined) writeFileSync(target, `${JSON.stringify(proven, undefined, 2)}\n`);
  });
}

async function ask(t: Test, world: WireWorld, held: (id: string) => void): Promise<void> {
  for (const scene of scenes) await t.test(scene.name, (t) => play(t, scene, world, held));
}

async function play(t: Test, scene: Scene, world: WireWorld, held: (id: string) => void): Promise<void> {
  const version = parseVersion(world.version) ?? oldestVersion;
  const vmm = await scene.begin(world);
  t.teardown(() => vmm.remove());
  for (const row of scene.rows) {
    if (row.since !== undefined && !isAtLeast(version, row.since)) continue;
    await t.test(`${row.id} ${row.says}`, async (t) => {
      await t.resolves(row.check(vmm, (major, minor) => isAtLeast(version, major, minor)));
      if (t.passing()) held(row.id);
    });
  }
}
