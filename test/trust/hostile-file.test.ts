// What a file from a cloned repository can reach: nothing outside its folder, nothing of the environment, no open port, no path
// or option by way of a name. Each case is tried through the program as a user runs it, and must be refused before anything is done.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createServices } from '../../src/cli/wire.ts';
import { sbx } from '../support/cli.ts';
import { elfKernel } from '../support/image-files.ts';

t.setTimeout(600_000);

const secret = 'hunter2-do-not-tell';
const head = 'version: 1\nname: shop\n';
const vm = (more: string): string =>
  `${head}images: { base: { kernel: ./vmlinuz } }\nnetworks: { lan: { mode: nat } }\nvms:\n  a: { image: base, cpus: 1, memory: 256MiB, ${more} }\n`;

/** A clone with links that lead out of it, and a file outside that holds a secret. */
function makeClone(t: Test): { readonly clone: string; readonly outside: string } {
  const root = mkdtempSync('/tmp/sbxt-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const clone = join(root, 'clone');
  const outside = join(root, 'outside');
  for (const folder of [clone, outside, join(clone, 'sub')]) mkdirSync(folder);
  writeFileSync(join(outside, 'secret'), secret);
  writeFileSync(join(clone, 'vmlinuz'), elfKernel());
  symlinkSync(join(outside, 'secret'), join(clone, 'link'));
  symlinkSync('../outside', join(clone, 'linked'));
  symlinkSync('../../outside/secret', join(clone, 'sub/deep'));
  symlinkSync('/proc/self', join(clone, 'self'));
  return { clone, outside };
}

async function run(clone: string, yaml: string, ...argv: readonly string[]): ReturnType<typeof sbx> {
  writeFileSync(join(clone, 'sbx.yaml'), yaml);
  const home = join(clone, '../h');
  const surroundings = {
    environment: { PATH: '/usr/bin', SECRET: secret, SBX_TOKEN: secret, SBX_VAR_open: 'yes' },
    installation: {
      program: '/nonexistent',
      holderScript: '/nonexistent',
      connectProbe: '/nonexistent',
      kvmFirmware: '/nonexistent',
      recipesDir: '/work',
    },
  };
  return await sbx([...argv, '--home', home], {
    cwd: clone,
    env: surroundings.environment,
    makeServices: (options) => createServices(options, surroundings),
  });
}

const ways = [
  '../outside/secret',
  './../outside/secret',
  'sub/../../outside/secret',
  '$OUTSIDE/secret',
  'link',
  './link',
  'linked/secret',
  'sub/deep',
  'self/environ',
  '/etc/passwd',
  '/proc/self/environ',
  '//etc/passwd',
  '~/secret',
  'file:///etc/passwd',
  'sub/./../link',
];

const keys: readonly { readonly key: string; readonly yaml: (path: string) => string }[] = [
  {
    key: 'images.kernel',
    yaml: (path) => `${head}images: { b: { kernel: ${path} } }\nvms: { a: { image: b, cpus: 1, memory: 256MiB } }\n`,
  },
  {
    key: 'images.initrd',
    yaml: (path) =>
      `${head}images: { b: { kernel: ./vmlinuz, initrd: ${path} } }\nvms: { a: { image: b, cpus: 1, memory: 256MiB } }\n`,
  },
  {
    key: 'images.disk',
    yaml: (path) =>
      `${head}images: { b: { kernel: ./vmlinuz, disk: ${path} } }\nvms: { a: { image: b, cpus: 1, memory: 256MiB } }\n`,
  },
  { key: 'file.read', yaml: (path) => `${head}outputs: { it: "\${file.read('${path}')}" }\n` },
  { key: 'file.sha256', yaml: (path) => `${head}outputs: { it: "\${file.sha256('${path}')}" }\n` },
];

t.test('no key and no function reads outside of the folder, by whatever way', async (t) => {
  const { clone, outside } = makeClone(t);
  for (const { key, yaml } of keys) {
    for (const way of ways) {
      const path = way.replace('$OUTSIDE', outside);
      for (const command of ['validate', 'plan']) {
        const ran = await run(clone, yaml(path), command);
        // Without a meaning of their own these name files below the folder, which are not there.
        const harmless = command === 'validate' && /^(~|file:)/.test(path);
        t.ok(harmless || [1, 3, 7].includes(ran.code), `${command} ${key}: ${path} is refused`, ran);
        t.notMatch(ran.stdout + ran.stderr, secret);
        t.notMatch(ran.stdout + ran.stderr, /SBX9/);
      }
    }
  }
  t.strictSame(readdirSync(join(clone, '..')).sort(), ['clone', 'outside'], 'nothing was made');
});

t.test('the environment is not there to be read, but for SBX_VAR_', async (t) => {
  const { clone } = makeClone(t);
  const references = [
    'env.SECRET',
    'env("SECRET")',
    'SECRET',
    'var.SECRET',
    'var.TOKEN',
    'process.env.SECRET',
    'sbx.TOKEN',
  ];
  for (const reference of references) {
    const ran = await run(clone, `${head}outputs: { it: '\${${reference}}' }\n`, 'validate');
    t.equal(ran.code, 3, reference, ran);
    t.notMatch(ran.stdout + ran.stderr, secret);
  }
  for (const text of ['$SECRET', '${SECRET:-x}', '`echo $SECRET`', '$(echo $SECRET)', '%SECRET%']) {
    const ran = await run(clone, `${head}outputs: { it: '${text.replace('${', '$${')}' }\n`, 'plan', '--json');
    t.notMatch(ran.stdout + ran.stderr, secret, text);
  }
  const declared = await run(
    clone,
    `${head}variables: { SECRET: { type: string } }\noutputs: { it: "\${var.SECRET}" }\n`,
    'plan',
  );
  t.equal(declared.code, 3, 'a variable of that name has no value by itself');
});

const openPorts = [
  '0.0.0.0:8080:80',
  '192.168.1.5:8080:80',
  '[::]:8080:80',
  '0.0.0.0:auto:80',
  '255.255.255.255:1:1',
  '127.1.2.3.4:1:1',
  '10.0.0.1:80:80',
];

t.test('no port is opened beyond this host unless the user says so', async (t) => {
  const { clone } = makeClone(t);
  for (const port of openPorts) {
    const ran = await run(clone, vm(`networks: { lan: { ports: ["${port}"] } }`), 'plan');
    t.ok(ran.code === 7 || ran.code === 3, `${port} is refused`, ran);
  }
  const allowed = await run(
    clone,
    vm('networks: { lan: { ports: ["0.0.0.0:8080:80"] } }'),
    'validate',
    '--allow-public-ports',
  );
  t.equal(allowed.code, 0, 'the user may allow it', allowed);
  const inFile = await run(
    clone,
    `${vm('networks: { lan: { ports: ["0.0.0.0:8080:80"] } }')}allow_public_ports: true\n`,
    'validate',
  );
  t.not(inFile.code, 0, 'the file may not');
});

const names = [
  '../x',
  '..',
  '.',
  'a/b',
  '/etc',
  '-rf',
  '--home',
  'a b',
  'a,b',
  'a=b',
  'a\\0b',
  'a\\nb',
  'ü',
  'A',
  '',
  'a'.repeat(300),
  'a;b',
  '$(id)',
  'a%b',
  '__proto__',
  'constructor ',
];
const places: readonly { readonly place: string; readonly yaml: (name: string) => string }[] = [
  { place: 'sandbox', yaml: (name) => `version: 1\nname: ${name}\n` },
  { place: 'image', yaml: (name) => `${head}images: { ${name}: { kernel: ./vmlinuz } }\n` },
  { place: 'network', yaml: (name) => `${head}networks: { ${name}: { mode: nat } }\n` },
  { place: 'volume', yaml: (name) => `${head}volumes: { ${name}: { size: 1MiB } }\n` },
  {
    place: 'VM',
    yaml: (name) =>
      `${head}images: { b: { kernel: ./vmlinuz } }\nvms: { ${name}: { image: b, cpus: 1, memory: 256MiB } }\n`,
  },
  { place: 'disk', yaml: (name) => vm(`disks: { ${name}: { size: 10MiB } }`) },
  { place: 'for_each', yaml: (name) => vm(`for_each: [${name}]`) },
  { place: 'hostname', yaml: (name) => vm(`hostname: ${name}`) },
];
/** Hostnames and keys of for_each may have capitals. */
const fine = new Set(['hostname A', 'for_each A', 'for_each constructor ', 'for_each __proto__']);

t.test('a name that tries to be a path, an option or something else is no name', async (t) => {
  const { clone } = makeClone(t);
  for (const { place, yaml } of places) {
    for (const name of names) {
      if (fine.has(`${place} ${name}`)) continue;
      const ran = await run(clone, yaml(`"${name}"`), 'validate');
      t.equal(ran.code, 3, `${place} ${JSON.stringify(name)} is refused`, ran);
      t.notMatch(ran.stderr, /SBX9/);
    }
  }
});

t.test('an instance and a sandbox named on the command line are held to the same', async (t) => {
  const { clone } = makeClone(t);
  for (const name of ['../x', 'a/b', '-x', 'ü', 'a b', 'a'.repeat(100)]) {
    const instance = await run(clone, head, 'plan', `--instance=${name}`);
    t.equal(instance.code, 64, `--instance ${name}`, instance);
    const sandbox = await run(clone, head, 'status', `--sandbox=${name}`);
    t.equal(sandbox.code, 64, `--sandbox ${name}`, sandbox);
  }
});

const envNames = ['A B', 'A=B', '1A', 'A-B', 'A\\nB', 'ü', '', 'A;B', '$A'];

t.test('names in env are names of variables, and values may be anything but a NUL', async (t) => {
  const { clone } = makeClone(t);
  for (const name of envNames) {
    const ran = await run(clone, vm(`env: { "${name}": x }`), 'validate');
    t.equal(ran.code, 3, JSON.stringify(name), ran);
  }
  for (const value of ['a,b', "it's", 'a\\nb', '`id`', '$(id)', '"; rm -rf /; "'.replaceAll('"', '\\"'), '$${x}'])
    t.equal((await run(clone, vm(`env: { A: "${value}" }`), 'validate')).code, 0, value);
  t.equal((await run(clone, vm('env: { A: "a\\0b" }'), 'validate')).code, 3, 'NUL');
});

t.test('words of the kernel are words: no line break, no NUL gets in', async (t) => {
  const { clone } = makeClone(t);
  for (const words of ['quiet\\ninit=/bin/sh', 'a\\0b', 'a\\rb', '\\u0007'])
    t.equal((await run(clone, vm(`cmdline: "${words}"`), 'validate')).code, 3, words);
});

t.test('references that grow without end are stopped in time and memory', async (t) => {
  const { clone } = makeClone(t);
  const grown = Array.from({ length: 200 }, (_, at) => `  o${at}: "${'${var.big}'.repeat(200)}"`).join('\n');
  const cases = [
    `${head}variables:\n  big: { type: string, default: "${'x'.repeat(4000)}" }\noutputs:\n${grown}\n`,
    `${head}variables: { n: { type: integer, default: 999999999 } }\nimages: { b: { kernel: ./vmlinuz } }\nvms: { a: { image: b, cpus: 1, memory: 256MiB, count: "\${var.n}" } }\n`,
  ];
  for (const yaml of cases) {
    const started = process.cpuUsage();
    const ran = await run(clone, yaml, 'validate');
    const used = process.cpuUsage(started);
    t.equal(ran.code, 3, ran.stderr.slice(0, 200));
    t.ok(used.user + used.system < 5_000_000, 'within seconds of CPU time');
    t.ok(ran.stderr.length < 100_000, 'and says so briefly');
  }
});

/** Patterns that take a backtracking engine longer than the age of the world, or fill it. */
const slowPatterns: readonly (readonly [pattern: string, text: string])[] = [
  [`${'a?'.repeat(60)}a`, 'a'.repeat(60)],
  ['(a|a)*b', 'a'.repeat(60)],
  ['(a|aa)+b', 'a'.repeat(4000)],
  ['([a-z]+)+!', 'a'.repeat(4000)],
  ['(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)!', 'a'.repeat(4000)],
  ['((a?b?){30}){30}c', 'ab'.repeat(2000)],
  ['(a{1,1000}){1,1000}', 'a'.repeat(60)],
  ['(((((a{1,9}){1,9}){1,9}){1,9}){1,9}){1,9}', 'a'.repeat(60)],
  [`${'('.repeat(90)}a${')*'.repeat(90)}`, 'a'.repeat(60)],
];

t.test('no pattern of a variable keeps a command busy', async (t) => {
  const { clone } = makeClone(t);
  const declare = (pattern: string): string => `{ pattern: '${pattern}', default: '${'a'.repeat(200)}' }`;
  const used = (names: readonly string[]): string => names.map((name) => `  ${name}: "\${var.${name}}"\n`).join('');
  const started = process.cpuUsage();
  for (const [pattern, text] of slowPatterns) {
    const yaml = `${head}variables: { v: { pattern: '${pattern}' } }\noutputs:\n${used(['v'])}`;
    for (const command of ['validate', 'plan', 'status', 'destroy']) {
      const ran = await run(clone, yaml, command, '--var', `v=${text}`);
      t.ok([0, 1, 3, 64].includes(ran.code), `${command} ${pattern}`, ran);
      t.notMatch(ran.stderr, /SBX9/);
    }
  }
  const many = Array.from({ length: 1000 }, (_, at) => `v${at}`);
  const each = many.map((name, at) => `  ${name}: ${declare(`((a?b?){30}){30}[c-x]{1,${at + 1}}`)}\n`).join('');
  const thousand = await run(clone, `${head}variables:\n${each}outputs:\n${used(many)}`, 'validate');
  t.equal(thousand.code, 3, 'a thousand of the worst');
  const items = `[${Array.from({ length: 10_000 }, () => '"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"').join(', ')}]`;
  const list = `${head}variables:\n  v: { type: list, pattern: '(a?b?){0,400}', default: &l ${items} }\noutputs:\n${used(['v'])}`;
  const long = await run(clone, list, 'validate');
  t.equal(long.code, 3, 'a long list and a long program');
  t.match(long.stderr, /too much to do/);
  const spent = process.cpuUsage(started);
  t.ok(spent.user + spent.system < 60_000_000, `within seconds of CPU time: ${(spent.user + spent.system) / 1e6}`);
});

/** Small texts that ask for more than any host has. */
const bombs: readonly { readonly name: string; readonly code: string; readonly yaml: () => string }[] = [
  {
    name: 'thirty million VMs by count',
    code: 'SBX2202',
    yaml: () => groups(3000, 'image: b, count: 10000'),
  },
  {
    name: 'thirty million VMs by for_each',
    code: 'SBX2202',
    yaml: () =>
      `variables: { n: { type: list, default: [${words(10_000, (at) => `k${at}`)}] } }\n${groups(3000, 'image: b, for_each: "${var.n}"')}`,
  },
  {
    name: 'a thousand values for each of ten thousand VMs',
    code: 'SBX2204',
    yaml: () => groups(1, `image: b, count: 10000, env: { ${words(1000, (at) => `K${at}: x`)} }`),
  },
  {
    name: 'ten million errors',
    code: 'SBX2204',
    yaml: () =>
      groups(1, `image: b, count: 10000, env: { ${words(1000, (at) => `K${at}: "\${file.read('no${at}')}"`)} }`),
  },
  {
    name: 'nine hundred thousand errors',
    code: 'SBX1001',
    yaml: () =>
      groups(1, `image: b, count: 10000, env: { ${words(90, (at) => `K${at}: "\${file.read('no${at}')}"`)} }`),
  },
  {
    name: 'a thousand ports on sixteen networks of ten thousand VMs',
    code: 'SBX2204',
    yaml: () =>
      `networks: { ${words(16, (at) => `n${at}: { subnet: 10.${at}.0.0/16 }`)} }\n${groups(1, `image: b, count: 10000, networks: { ${words(16, (at) => `n${at}: { ports: [${words(200, (port) => `"auto:${port + 1}"`)}] }`)} }`)}`,
  },
  {
    name: 'a template with a thousand values in ten thousand groups without a VM',
    code: 'SBX2204',
    yaml: () =>
      `templates: { t: { image: b, env: { ${words(1000, (at) => `K${at}: x`)} } } }\n${groups(10_000, 'template: t, count: 0, env: { A: b }')}`,
  },
  {
    name: 'twenty-five million dependencies',
    code: 'SBX2505',
    yaml: () => `${groups(5000, 'image: b, depends_on: [big]')}  big: { image: b, count: 5000 }\n`,
  },
];

function groups(count: number, fields: string): string {
  return `vms:\n${Array.from({ length: count }, (_, at) => `  g${at}: { ${fields} }\n`).join('')}`;
}

function words(count: number, word: (at: number) => string): string {
  return Array.from({ length: count }, (_, at) => word(at)).join(', ');
}

t.test('what a file declares is counted before any of it is made', async (t) => {
  const { clone } = makeClone(t);
  for (const { name, code, yaml } of bombs) {
    const started = process.cpuUsage();
    const text = await run(clone, `${head}images: { b: { kernel: ./vmlinuz } }\n${yaml()}`, 'validate');
    const used = process.cpuUsage(started);
    t.equal(text.code, 3, name, { stderr: text.stderr.slice(0, 500) });
    t.match(text.stderr, code, name);
    t.ok(used.user + used.system < 20_000_000, `${name}: within seconds of CPU time`);
    t.ok(text.stderr.length < 100_000, `${name}: briefly`);
  }
});

t.test('of many errors the first hundreds are said and the others counted, in text and in JSON', async (t) => {
  const { clone } = makeClone(t);
  const env = words(90, (at) => `K${at}: "\${file.read('no${at}')}"`);
  const files = `${head}images: { b: { kernel: ./vmlinuz } }\n`;
  const distinct = `${files}vms:\n${Array.from({ length: 20 }, (_, at) => `  g${at}: { image: b, env: { ${env} } }\n`).join('')}`;
  const repeated = `${files}vms: { a: { image: b, count: 10000, env: { ${env} } } }\n`;
  const few = `${files}vms:\n${Array.from({ length: 3 }, (_, at) => `  g${at}: { image: b, env: { ${env} } }\n`).join('')}`;
  const cases = [
    { yaml: few, shown: 101, last: /^170 more are not shown\.$/ },
    { yaml: distinct, shown: 101, last: /^900 more are not shown\. There may be others/ },
    { yaml: repeated, shown: 91, last: /^There may be others/ },
  ];
  for (const { yaml, shown, last } of cases) {
    const text = await run(clone, yaml, 'validate');
    t.match(text.stderr, new RegExp(last.source.replace('^', '').replace('$', '')));
    const { diagnostics } = JSON.parse((await run(clone, yaml, 'validate', '--json')).stdout);
    t.equal(diagnostics.length, shown);
    t.match(diagnostics.at(-1), { code: 'SBX1206', detail: last });
    const { diagnostics: failed } = JSON.parse((await run(clone, yaml, 'plan', '--json')).stdout);
    t.equal(failed.length, shown);
  }
});

t.test('of a file that is a link to somewhere else no line is shown', async (t) => {
  const { clone, outside } = makeClone(t);
  writeFileSync(join(outside, 'secret'), `${secret}: {\n`);
  writeFileSync(join(clone, 'mine.yaml'), head);
  symlinkSync('../outside/secret', join(clone, 'more.yaml'));
  symlinkSync('../outside', join(clone, 'there'));
  const ways: readonly (readonly string[])[] = [
    ['-f', 'more.yaml'],
    ['-f', 'mine.yaml', '-f', 'more.yaml'],
    ['-f', 'mine.yaml', '--var-file', 'more.yaml'],
    ['-f', 'there/secret'],
    ['-f', join(clone, 'more.yaml')],
  ];
  for (const way of ways) {
    for (const command of ['validate', 'plan', 'apply', 'destroy', 'status', 'show', 'output']) {
      for (const more of [[], ['--json']]) {
        const ran = await run(clone, head, command, ...way, ...more);
        t.ok([3, 7].includes(ran.code), `${command} ${way} ${more}`, ran);
        t.notMatch(ran.stdout + ran.stderr, secret, `${command} ${way} ${more}`);
      }
    }
  }
  const against = await run(clone, head, 'plan', '--against', 'more.yaml');
  t.equal(against.code, 7, 'another file to compare with', against);
  t.notMatch(against.stdout + against.stderr, secret);
});
