import { chmodSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import type { Json } from '../../src/core/json.ts';
import { planKeyPath } from '../../src/store/home.ts';
import { ensureKey } from '../../src/store/key.ts';
import { readPlanFile, type SavedPlan, writePlanFile } from '../../src/store/plan-file.ts';
import { temporaryHome } from '../support/temp-home.ts';

const saved: SavedPlan = {
  format_version: 1,
  plan: {
    format_version: 1,
    sandbox: { name: 'shop' },
    mode: 'apply',
    changes: [],
    drift: [],
    unchanged: 1,
    steps: [
      {
        id: 's',
        address: 'vm.a' as Address,
        action: { op: 'vm.stop', graceMs: 1 },
        needs: [],
        after: { type: 'removed' },
      },
    ],
    outputs: [],
    impact: null,
    warnings: [],
  },
  fileDigest: 'abc',
  vars: { workers: 2, ü: ['\u2028', null, { '2': 1, '1': 2 }] },
  files: ['/work/sbx.yaml'],
  vmm: 'qemu',
  stamp: 'l/1',
  request: { mode: 'apply', targets: [], replace: [], purge: false, wait: true, takeOver: false },
  allowPaths: [],
  allowPublicPorts: false,
  allowHostLoopback: false,
};

t.test('a saved plan is read as it was written, for its owner only', async (t) => {
  const home = temporaryHome(t);
  const path = join(home.state, 'p.plan');
  await writePlanFile(path, saved, home);
  t.strictSame(await readPlanFile(path, home), { ok: true, value: saved, warnings: [] });
  t.equal(statSync(path).mode & 0o777, 0o600);
  await writePlanFile(path, { ...saved, stamp: 'l/2' }, home);
  t.match(await readPlanFile(path, home), { ok: true, value: { stamp: 'l/2' } }, 'it is replaced');
});

t.test('a plan that was changed is refused, whatever was changed', async (t) => {
  const home = temporaryHome(t);
  const path = join(home.state, 'p.plan');
  await writePlanFile(path, saved, home);
  const text = readFileSync(path, 'utf8');
  const changes: [string, string][] = [
    ['"graceMs":1', '"graceMs":2'],
    ['"workers":2', '"workers":3'],
    ['/work/sbx.yaml', '/evil/sbx.yaml'],
    ['"vmm":"qemu"', '"vmm":"auto"'],
    ['"stamp":"l/1"', '"stamp":"l/9"'],
    ['"stamp":"l/1"', '"stamp":"l/1","more":1'],
    ['"seal":"', '"seal":"00'],
  ];
  for (const [from, to] of changes) {
    const changed = text.replace(from, to);
    t.not(changed, text);
    writeFileSync(path, changed);
    t.match(await readPlanFile(path, home), { ok: false, diagnostics: [{ code: 'SBX4021', hint: /sbx plan -o/ }] }, to);
  }
  writeFileSync(path, JSON.stringify(JSON.parse(text), null, 2));
  t.ok((await readPlanFile(path, home)).ok, 'white space is no change');
});

t.test('a plan is for one home', async (t) => {
  const [home, other, fresh] = [temporaryHome(t), temporaryHome(t), temporaryHome(t)];
  const path = join(home.state, 'p.plan');
  await writePlanFile(path, saved, home);
  await ensureKey(other);
  for (const wrong of [other, fresh]) {
    t.match(await readPlanFile(path, wrong), { ok: false, diagnostics: [{ code: 'SBX4022' }] });
  }
  t.throws(() => statSync(planKeyPath(fresh)), { code: 'ENOENT' }, 'reading makes no key');
});

t.test('what is no plan is told as such', async (t) => {
  const home = temporaryHome(t);
  const path = join(home.state, 'p.plan');
  await writePlanFile(path, saved, home);
  const whole = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Json>;
  const cases: { name: string; text: string; code: string }[] = [
    { name: 'empty', text: '', code: 'SBX4020' },
    { name: 'truncated', text: readFileSync(path, 'utf8').slice(0, 100), code: 'SBX4020' },
    { name: 'something else', text: '{"a":1}', code: 'SBX4020' },
    { name: 'null', text: 'null', code: 'SBX4020' },
    { name: 'no seal', text: JSON.stringify({ ...whole, seal: undefined }), code: 'SBX4020' },
    { name: 'a newer format', text: JSON.stringify({ ...whole, format_version: 2 }), code: 'SBX4023' },
    { name: 'a format that is none', text: JSON.stringify({ ...whole, format_version: 'x' }), code: 'SBX4020' },
  ];
  for (const { name, text, code } of cases) {
    writeFileSync(path, text);
    t.match(await readPlanFile(path, home), { ok: false, diagnostics: [{ code }] }, name);
  }
  t.match(await readPlanFile(join(home.state, 'none'), home), {
    ok: false,
    diagnostics: [{ code: 'SBX4020', detail: /ENOENT/ }],
  });
  t.match(await readPlanFile('/dev/zero', home), { ok: false, diagnostics: [{ detail: /not a regular file/ }] });
});

t.test('a plan that cannot be written is an error', async (t) => {
  const home = temporaryHome(t);
  mkdirSync(join(home.state, 'd'));
  chmodSync(join(home.state, 'd'), 0o700);
  await t.rejects(writePlanFile(join(home.state, 'none', 'p'), saved, home), { code: 'SBX4008' });
  await t.rejects(writePlanFile(join(home.state, 'd'), saved, home), { code: 'SBX4008' });
});
