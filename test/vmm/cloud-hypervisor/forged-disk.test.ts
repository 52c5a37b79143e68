// What a guest writes on its own disk opens no other file of the host, whatever release runs it.
import { appendFileSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import t, { type Test } from 'tap';
import { fakeVm } from '../../support/fake-vm.ts';
import { qcow2 } from '../../support/image-files.ts';

t.setTimeout(120_000);

const mebibyte = 2 ** 20;
const vhd = Buffer.concat([Buffer.alloc(mebibyte - 512), Buffer.from('conectix'.padEnd(512, '\0'))]);
const forged: readonly (readonly [name: string, content: Buffer])[] = [
  ['qcow2', qcow2({ backingOffset: 512n })],
  ['VHD', vhd],
  ['VHDX', Buffer.from('vhdxfile'.padEnd(mebibyte, '\0'))],
];

t.test('a release that detects formats is not given a disk that looks like another one', async (t) => {
  for (const version of ['34.0', '50.0']) {
    for (const [name, content] of forged) {
      const { driver, spec, context, paths, start } = await vm(t, version);
      const ref = await start();
      const more = { id: 'more', path: `${paths.data}/more`, format: 'raw', readonly: false } as const;
      writeFileSync(more.path, content);
      await t.rejects(driver.attachDisk(ref, more), { code: 'SBX5010', message: new RegExp(name), hint: /50\.1/ });
      await driver.stop(ref, 0, context.signal);
      writeFileSync(spec.disks[0]?.path ?? '', content);
      await t.rejects(driver.start(spec, context), { code: 'SBX5010', message: new RegExp(name) }, version);
      t.strictSame(await readdir(paths.run), []);
      writeFileSync(spec.disks[0]?.path ?? '', '');
      await driver.stop(await start(), 0, context.signal);
    }
  }
});

t.test('a newer one is told that it is raw', async (t) => {
  const { driver, fake, spec, context, start } = await vm(t, '50.1');
  writeFileSync(spec.disks[0]?.path ?? '', qcow2({ backingOffset: 512n }));
  appendFileSync(spec.disks[0]?.path ?? '', vhd);
  await start();
  const created = (await fake.calls()).find(({ action }) => action === 'vm.create');
  t.match(created?.body, /"image_type":"Raw"/);
  t.notMatch(created?.body, /Qcow2|backing_files/);
  await driver.stop({ paths: spec.paths }, 0, context.signal);
});

async function vm(t: Test, version: string) {
  const made = await fakeVm(t, { VERSION: version });
  return { ...made, paths: made.spec.paths };
}
