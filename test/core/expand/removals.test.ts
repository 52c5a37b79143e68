// `null` in a VM takes away one key of its template, also through merged files.
import t from 'tap';
import { expand } from '../../../src/core/expand/index.ts';
import { loadDocument } from '../../../src/core/load/index.ts';
import { plainInputs, problemsOf, vmsOf, withImage } from '../../support/expanding.ts';

const template = `templates:
  t: { image: base, cpus: { count: 2, max: 4 }, env: { A: a, B: b }, disks: { data: { size: 1GiB } }, cmdline: quiet }
`;

const merged = (...texts: readonly string[]) => {
  const loaded = loadDocument(texts.map((text, at) => ({ path: `${at}.yaml`, text })));
  if (!loaded.ok) return loaded.diagnostics;
  const found = expand(loaded.value, plainInputs);
  if (!found.ok) return found.diagnostics;
  const vm = [...found.value.resources.values()].find((each) => each.kind === 'vm');
  return vm?.kind === 'vm' ? vm : undefined;
};

t.test('a VM takes keys of its template away, at any depth', async (t) => {
  const vm = vmsOf(
    withImage(
      `${template}vms: { web: { template: t, env: { A: null }, cpus: { max: ~ }, disks: null, cmdline: null } }\n`,
    ),
  )['vm.web'];
  t.strictSame([...(vm?.env.keys() ?? [])], ['B']);
  t.strictSame(vm?.cpus, { count: 2, max: 2 });
  t.strictSame([...(vm?.disks.keys() ?? [])], ['root']);
  t.equal(vm?.cmdline, undefined);
});

t.test('all VMs of a group do, and references stay', async (t) => {
  const text = `${template.replace('b }', '"${count.index}" }')}vms: { web: { template: t, count: 2, env: { A: null } } }\n`;
  const vms = vmsOf(withImage(text));
  t.strictSame(
    Object.values(vms).map(({ env }) => [...env].map(([name, { value }]) => `${name}=${value}`)),
    [['B=0'], ['B=1']],
  );
});

t.test('what is left must be a VM all the same', async (t) => {
  const of = (keys: string) => problemsOf(withImage(`${template}vms: { web: { template: t, ${keys} } }\n`));
  t.strictSame(of('cpus: { count: null }'), ['SBX1202 6:28']);
  t.strictSame(of('cpus: { count: null }, env: { A: "${count.index}" }'), ['SBX2102 6:61', 'SBX1202 6:28']);
  t.strictSame(of('image: null'), ['SBX2203 6:8']);
});

t.test('null takes nothing away that is not there, and an empty value is no null', async (t) => {
  const of = (vm: string) => problemsOf(withImage(`${template}vms: { web: ${vm}, other: { template: t } }\n`));
  t.strictSame(of('{ template: t, env: { C: null } }'), ['SBX1203 6:38']);
  t.strictSame(of('{ template: t, env: { A: } }'), ['SBX1203 6:35'], 'a slip of the pen');
  t.strictSame(of('{ image: base, env: { A: null } }'), ['SBX1203 6:38'], 'without a template');
});

t.test('a later file takes away from the VM, and from its template', async (t) => {
  const base = withImage(`${template}vms: { web: { template: t, env: { C: c } } }\n`);
  t.match(merged(base, 'vms: { web: { env: { A: null, C: null } } }\n'), { env: new Map([['B', { value: 'b' }]]) });
  const again = merged(base, 'vms: { web: { env: { A: null } } }\n', 'vms: { web: { env: { A: again } } }\n');
  t.match(again, { env: new Map([['A', { value: 'again' }]]) }, 'the last one wins');
  t.match(merged(base, 'templates: { t: { env: { A: null } } }\n'), { env: new Map([['B', { value: 'b' }]]) });
  t.match(merged(base, 'vms: { web: { env: { NEVER: null } } }\n'), { kind: 'vm' }, 'others may not have it');
});
