// What `validate` knows of a file whose variables have no value yet: everything that does not depend on them is checked.
import t from 'tap';
import { expandText, problemsOf, withImage } from '../../support/expanding.ts';

const unknown = { unknownVariables: true };
const variables = `variables:
  n: { type: integer }
  l: { type: list }
  s: {}
  token: { sensitive: true }
`;

t.test('a file that is sound is valid without any value', async (t) => {
  const text = withImage(`${variables}expires: "\${var.s}"
volumes: { pg: { size: "\${var.s}" }, more: { size: 1GiB } }
networks: { lan: { subnet: "\${var.s}" }, dmz: {} }
templates: { t: { image: "\${var.s}", cpus: 2 } }
vms:
  db: { image: base, networks: { lan: { address: "\${var.s}" }, dmz: { ports: ["auto:\${var.n}", 80] } }, disks: { d: { volume: pg } } }
  web:
    image: base
    count: "\${var.n}"
    networks: { dmz: { address: "\${join('.', var.l)}", ports: ["80"] } }
    env: { A: "\${count.index}", B: "\${var.token}", C: "\${vm.db.networks.lan.address}", D: "\${default(var.s, 1)}" }
    disks: { d: { volume: more } }
  job: { template: t, for_each: "\${var.l}", hostname: "\${each.key}", cpus: "\${each.value}", disks: { d: { volume: more } } }
  any: { template: "\${var.s}", env: { A: "\${join(',', vm.web.hostname)}", B: "\${vm.job.x.memory}", C: "\${vm.web[7].name}" } }
  own: { image: "\${var.s}", memory: "\${var.s}", depends_on: { "web[3]": started, job.q: ready } }
outputs: { a: "\${vm.web[0].networks.dmz.ports.80}", b: "\${json(var.l)}", c: "\${var.token}", d: "\${vm.db.networks.dmz.ports.8080}" }
`);
  const found = expandText(text, unknown);
  t.strictSame(found.ok ? [] : found.diagnostics.map(({ code, detail }) => `${code} ${detail}`), []);
  t.strictSame(
    found.ok && found.warnings.filter(({ code }) => code === 'SBX2601'),
    [],
    'nor does it warn of what may be used',
  );
});

t.test('the same file wants the values when it is planned', async (t) => {
  t.match(problemsOf(withImage(`${variables}vms: { web: { image: base, count: "\${var.n}" } }\n`)), [/^SBX2003/]);
});

t.test('what can be known to be wrong is', async (t) => {
  const of = (rest: string) =>
    problemsOf(withImage(`${variables}${rest}`), unknown).map((each) => each.replace(/ .*/, ''));
  const vm = (keys: string) => of(`vms: { web: { image: base, ${keys} }, other: { image: base } }\n`);
  const cases: readonly (readonly [keys: string, want: readonly string[]])[] = [
    ['hostname: "${var.token}"', ['SBX2004']],
    ['hostname: "x-${var.token}"', ['SBX2004']],
    ['count: "${var.s}"', ['SBX2201']],
    ['for_each: "${var.n}"', ['SBX2201']],
    ['count: "${var.token}"', ['SBX2004']],
    ['env: { A: "${var.s}${var.nope}" }', ['SBX2104']],
    ['env: { A: "${join(var.nope, var.l)}" }', ['SBX2104']],
    ['env: { A: "${join(\',\', var.s)}" }', ['SBX2106']],
    ['env: { A: "a ${var.l}" }', ['SBX2106']],
    ['env: { A: "${var.s.x}" }', ['SBX2104']],
    ['env: { A: "${file.read(var.s)}" }', ['SBX2106']],
    ['env: { A: "${default(var.s, vm.nope.name)}" }', ['SBX2104']],
    ['count: "${var.n}", env: { A: "${each.key}" }', ['SBX2102']],
    ['count: "${var.n}", cpus: { count: 4, max: 2 }', ['SBX2501']],
    ['count: "${var.n}", env: { A: "${vm.web[3].nope}" }', ['SBX2104']],
    ['count: "${var.n}", networks: { nope: {} }', ['SBX2104']],
    ['count: "${var.n}", disks: { d: { volume: nope } }', ['SBX2104']],
    ['count: "${var.n}", depends_on: [other, nope]', ['SBX2104']],
    ['cpus: "${var.n}", memory: 97MiB', ['SBX2501']],
  ];
  for (const [keys, want] of cases) t.strictSame(vm(keys), want, keys);
});
