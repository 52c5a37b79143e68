import t from 'tap';
import type { CommandDefinition } from '../../src/cli/command.ts';
import { commandTable } from '../../src/cli/commands/index.ts';
import { globalSpecs } from '../../src/cli/globals.ts';
import type { CopyRequest, GlobalOptions, Io } from '../../src/cli/services.ts';
import { failed, ok } from '../../src/core/checked.ts';
import type { Desired } from '../../src/core/desired.ts';
import { diagnostic } from '../../src/core/diagnostic.ts';
import { SbxError } from '../../src/core/errors.ts';
import { plannerOf, sbx } from '../support/cli.ts';
import { matchesGolden } from '../support/golden.ts';
import { at, emptyPlan, free, is, richPlan } from '../support/plans.ts';

const commands: readonly CommandDefinition[] = commandTable.flatMap((entry) =>
  'commands' in entry ? entry.commands : [entry],
);
const desired: Desired = { name: 'shop', folder: '/x', resources: new Map(), outputs: new Map() };
const loadDesired = async (): Promise<ReturnType<typeof ok<{ desired: Desired; files: string[] }>>> =>
  ok({ desired, files: ['/x/sbx.yaml'] });

t.test('options are keyed as commander keys them', async (t) => {
  const camel = (flags: string): string =>
    (/--(?:no-)?([a-z-]+)/.exec(flags)?.[1] ?? '').replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
  for (const specs of [globalSpecs, ...commands.map((c) => c.options)])
    for (const [key, spec] of Object.entries(specs)) t.equal(camel(spec.flags), key, spec.flags);
});

t.test('every command explains itself', async (t) => {
  const help = await sbx(['--help']);
  t.equal(help.code, 0);
  matchesGolden(t, 'cli/help.txt', help.stdout);
  for (const entry of commandTable) {
    const words = 'commands' in entry ? entry.commands.map((c) => [entry.name, c.name]) : [[entry.name]];
    for (const argv of words) {
      const ran = await sbx([...argv, '--help']);
      t.equal(ran.code, 0, argv.join(' '));
      matchesGolden(t, `cli/help-${argv.join('-')}.txt`, ran.stdout);
    }
  }
});

t.test('wrong usage exits 64, says what is wrong, and never shows a stack', async (t) => {
  const cases = [
    { argv: [], stderr: /Usage: sbx/ },
    { argv: ['aply'], stderr: /Unknown command 'aply'[\s\S]*did you mean apply\?/ },
    { argv: ['plan', '--targt', 'x'], stderr: /did you mean --target\?/ },
    { argv: ['plan', 'left', 'over'], stderr: /SBX0001[\s\S]*got 2\.\n[\s\S]*sbx plan --help/ },
    { argv: ['logs', '-f', 'x.yaml', 'web'], stderr: /sbx logs -f follows the log/ },
    { argv: ['plan', '--target', '../x'], stderr: /is not an address/ },
    { argv: ['plan', '--format', 'xml'], stderr: /text, json, markdown/ },
    { argv: ['plan', '--vmm', 'xen'], stderr: /auto, cloud-hypervisor, qemu/ },
    { argv: ['plan', '--var', 'novalue'], stderr: /--var workers=3/ },
    { argv: ['plan', '--instance', 'Not OK'], stderr: /not an instance name/ },
    { argv: ['apply', '--parallelism', '0'], stderr: /from 1 to 1000/ },
    { argv: ['apply', '--lock-timeout', 'soon'], stderr: /not a duration/ },
    { argv: ['image'], stderr: /Usage: sbx image/ },
    { argv: ['image', 'bild'], stderr: /did you mean build\?/ },
    { argv: ['exec', 'web'], stderr: /SBX0001/ },
    { argv: ['cp', 'a', 'b'], stderr: /Exactly one side/ },
    { argv: ['stop'], stderr: /SBX0001/ },
    { argv: ['init', '--template', 'none'], stderr: /hello/ },
  ];
  for (const { argv, stderr } of cases) {
    const ran = await sbx(argv, { services: plannerOf(emptyPlan).services });
    t.equal(ran.code, 64, argv.join(' '));
    t.match(ran.stderr, stderr, argv.join(' '));
    t.notMatch(ran.stderr, /\n\s+at /);
    t.equal(ran.stdout, '');
  }
});

t.test('global options work before and after the command, and repeatable ones are joined in order', async (t) => {
  let seen: GlobalOptions | undefined;
  const argv = [
    '-f',
    'a.yaml',
    '--var',
    'x=1',
    'validate',
    '-f',
    'b.yaml',
    '--var',
    'x=2=3',
    '--home',
    'h',
    '--no-color',
  ];
  const ran = await sbx([...argv, '--allow-path', '../data'], {
    services: { loadDesired },
    env: { SBX_INSTANCE: 'pr-17', SBX_VAR_token: 't', SBX_HOME: '/elsewhere' },
    cwd: '/work/shop',
    options: ({ stdin: _reader, ...options }) => {
      seen = options;
    },
  });
  t.equal(ran.code, 0);
  t.strictSame(seen, {
    files: ['a.yaml', 'b.yaml'],
    instance: 'pr-17',
    vars: [
      { name: 'x', value: '1' },
      { name: 'x', value: '2=3' },
    ],
    varFiles: [],
    environmentVars: { token: 't' },
    vmm: 'auto',
    json: false,
    color: false,
    logLevel: 'info',
    home: '/work/shop/h',
    allowPaths: ['/work/data'],
    allowPublicPorts: false,
    allowHostLoopback: false,
    cwd: '/work/shop',
    version: '0.0.0',
  });
});

t.test('validate says valid, or shows every diagnostic and exits 3', async (t) => {
  t.match(await sbx(['validate'], { services: { loadDesired } }), { code: 0, stdout: /shop is valid/ });
  const bad = failed(
    diagnostic('SBX2104', { detail: 'First thing.' }),
    diagnostic('SBX1001', { detail: 'Second thing.' }),
  );
  const services = { loadDesired: async () => bad };
  const ran = await sbx(['validate'], { services });
  t.equal(ran.code, 3);
  t.match(ran.stderr, /First thing[\s\S]*Second thing/);
  const json = await sbx(['validate', '--json'], { services });
  t.equal(json.code, 3);
  t.match(JSON.parse(json.stdout), { format_version: 1, valid: false, diagnostics: [{ code: 'SBX2104' }, {}] });
});

t.test('validate says which variables it had no value of', async (t) => {
  const services = {
    loadDesired: async () => {
      const loaded = await loadDesired();
      return loaded.ok ? ok({ ...loaded.value, unknown: ['token', 'workers'] }) : loaded;
    },
  };
  t.match(await sbx(['validate'], { services }), { code: 0, stdout: /Checked without a value of token, workers\.$/m });
  const json = await sbx(['validate', '--json'], { services });
  t.match(JSON.parse(json.stdout), { valid: true, unknown: ['token', 'workers'] });
});

t.test('wrong words of a command line are told without what may be a secret', async (t) => {
  for (const argv of [
    ['plan', '--var', 'hunter2'],
    ['plan', '--var', '=hunter2'],
    ['plan', '--vars=token=hunter2'],
    ['plan', '--tokn=hunter2'],
    ['--var', 'token', 'plan', 'token=hunter2'],
    ['token=hunter2', 'plan'],
  ]) {
    const ran = await sbx(argv);
    t.equal(ran.code, 64, argv.join(' '));
    t.notMatch(`${ran.stdout}${ran.stderr}`, 'hunter2', argv.join(' '));
  }
});

t.test('plan tells by its exit code what there is, when asked to', async (t) => {
  const onlyDrift = { ...emptyPlan, drift: richPlan.drift };
  const repaired = {
    ...onlyDrift,
    changes: [
      {
        action: 'update',
        address: at('vm.db'),
        steps: [],
        impact: 'live',
        price: free,
        fields: [{ field: 'memory.size', from: is(2), to: is(1), impact: 'live', reason: '' }],
      },
    ],
  } as const;
  const cases = [
    { name: 'empty', plan: emptyPlan, code: 0 },
    { name: 'changes', plan: richPlan, code: 2 },
    { name: 'drift without a change', plan: onlyDrift, code: 8 },
    { name: 'drift with its remedy', plan: repaired, code: 8 },
    { name: 'drift with another change of it', plan: { ...repaired, drift: onlyDrift.drift.slice(1) }, code: 2 },
    { name: 'outputs only', plan: { ...emptyPlan, outputs: richPlan.outputs }, code: 2 },
  ];
  for (const { name, plan, code } of cases) {
    t.equal((await sbx(['plan', '--detailed-exitcode'], { services: plannerOf(plan).services })).code, code, name);
    t.equal((await sbx(['plan'], { services: plannerOf(plan).services })).code, 0, name);
  }
});

t.test('plan prints one JSON document, or Markdown, and says who is applying', async (t) => {
  const busy = { pid: 4711, user: 'anna', command: 'sbx apply' };
  const { services } = plannerOf(richPlan, { busy });
  const json = await sbx(['plan', '--json'], { services });
  t.match(JSON.parse(json.stdout), { format_version: 1, empty: false, counts: { replace: 1 }, busy });
  t.match((await sbx(['plan', '--format', 'markdown'], { services })).stdout, /^\*\*shop@pr-17\*\*: Plan:/);
  t.match((await sbx(['plan'], { services })).stderr, /anna is working on it: sbx apply \(process 4711\)/);
});

t.test('plan -o saves', async (t) => {
  const saved: string[] = [];
  const save = async (path: string): Promise<void> => void saved.push(path);
  const ran = await sbx(['plan', '-o', 'it.plan'], { services: plannerOf(richPlan, { save }).services });
  t.equal(ran.code, 0);
  t.strictSame(saved, ['it.plan']);
  t.match(ran.stdout, /sbx apply it\.plan/);
});

t.test('exec passes words and exit code through, and 125 for failures of its own', async (t) => {
  const seen: unknown[] = [];
  const guests = (run: () => Promise<number>) => ({
    guests: {
      exec: async ({ vm, argv, tty }: { vm: string; argv: readonly string[]; io: Io; tty: boolean }) => {
        seen.push({ vm, argv, tty });
        return await run();
      },
    } as never,
  });
  const three = guests(async () => 3);
  t.equal((await sbx(['exec', 'web.0', '--', 'sh', '-c', 'exit 3', '--help'], { services: three })).code, 3);
  t.equal((await sbx(['exec', '-t', 'web', 'ls', '-l'], { services: three, tty: true })).code, 3);
  t.strictSame(seen, [
    { vm: 'vm.web[0]', argv: ['sh', '-c', 'exit 3', '--help'], tty: false },
    { vm: 'vm.web', argv: ['ls', '-l'], tty: true },
  ]);
  const broken = guests(async () => {
    throw new SbxError('SBX8001', 'nobody answers');
  });
  const ran = await sbx(['exec', 'web', '--', 'true'], { services: broken });
  t.equal(ran.code, 125);
  t.match(ran.stderr, /SBX8001[\s\S]*nobody answers/);
});

t.test('cp knows a guest from a path with a colon', async (t) => {
  const seen: unknown[] = [];
  const guests = {
    copy: async (request: CopyRequest) => {
      const { direction, vm, path } = request;
      seen.push([direction, vm, path, request.direction === 'in' ? request.from : request.to]);
      return 0;
    },
  } as never;
  const cwd = '/work';
  await sbx(['cp', 'notes.txt', 'web.0:/root/'], { services: { guests }, cwd });
  await sbx(['cp', 'web:/etc/hosts', './so:far'], { services: { guests }, cwd });
  await sbx(['cp', '-', 'web:f'], { services: { guests }, cwd });
  await sbx(['cp', 'web:f', '-'], { services: { guests }, cwd });
  await sbx(['cp', 'web:f', './-'], { services: { guests }, cwd });
  t.strictSame(seen, [
    ['in', 'vm.web[0]', '/root/', { where: 'host', path: '/work/notes.txt' }],
    ['out', 'vm.web', '/etc/hosts', { where: 'host', path: '/work/so:far' }],
    ['in', 'vm.web', 'f', { where: 'stream' }],
    ['out', 'vm.web', 'f', { where: 'stream' }],
    ['out', 'vm.web', 'f', { where: 'host', path: '/work/-' }],
  ]);
  for (const words of [
    ['-', '-'],
    ['-', 'f'],
    ['web:f', 'db:f'],
  ])
    t.equal((await sbx(['cp', ...words], { services: { guests }, cwd })).code, 64, words.join(' '));
});

t.test('logs -f follows, and --file is still the file', async (t) => {
  let seen: { follow: boolean; lines?: number } | undefined;
  let files: readonly string[] = [];
  const guests = {
    logs: async (request: { follow: boolean; lines?: number; write: (chunk: Uint8Array) => Promise<boolean> }) => {
      seen = { follow: request.follow, lines: request.lines ?? -1 };
      t.equal(await request.write(Buffer.from('Linux version 6\n')), true);
    },
  } as never;
  const ran = await sbx(['logs', '-f', 'web', '--file', 'a.yaml', '-n', '5'], {
    services: { guests },
    options: (options) => {
      files = options.files;
    },
  });
  t.strictSame(seen, { follow: true, lines: 5 });
  t.strictSame(files, ['a.yaml']);
  t.equal(ran.stdout, 'Linux version 6\n');
});

t.test('logs shows control sequences by their codes on a terminal, unless they are wanted', async (t) => {
  const guests = {
    logs: async ({ write }: { write: (chunk: Uint8Array) => void }) => write(Buffer.from('~ # \u001b[6n\r\n')),
  } as never;
  const said = async (words: readonly string[], tty: boolean) =>
    (await sbx(['logs', 'web', ...words], { services: { guests }, tty })).stdout;
  t.equal(await said([], true), '~ # \\x1b[6n\n');
  t.equal(await said(['--raw'], true), '~ # \u001b[6n\r\n');
  t.equal(await said([], false), '~ # \u001b[6n\r\n', 'a file gets the bytes');
});

t.test('words of a guest steer no terminal from inside a document', async (t) => {
  const error = new SbxError('SBX8002', 'it said \u009b6n \u202e \u001b[2J');
  const plan = async (): Promise<never> => Promise.reject(error);
  const { stdout, stderr } = await sbx(['plan', '--json'], { services: { plan } });
  t.notMatch(stdout + stderr, /[\u001b\u0080-\u009f\u202e]/);
  t.match(stdout, '\\u009b6n');
});

t.test('output prints bare values for scripts and hides what is sensitive in the list', async (t) => {
  const outputs = async () =>
    ok(
      new Map([
        ['db', { value: '10.0.0.1', sensitive: false }],
        ['token', { value: 's3cret', sensitive: true }],
        ['list', { value: [1, 2], sensitive: false }],
      ]),
    );
  const services = { outputs };
  t.equal((await sbx(['output'], { services })).stdout, 'db = 10.0.0.1\ntoken = (sensitive)\nlist = [1,2]\n');
  t.equal((await sbx(['output', 'token'], { services })).stdout, 's3cret\n');
  t.equal((await sbx(['output', 'list'], { services })).stdout, '[1,2]\n');
  t.match(await sbx(['output', 'none'], { services }), { code: 1, stderr: /There are: db, token, list/ });
});

t.test('a console needs a terminal', async (t) => {
  t.equal((await sbx(['console', 'web'], { services: {} })).code, 64);
});

t.test('an unexpected failure is a diagnostic, its stack only for debugging', async (t) => {
  const services = {
    status: async (): Promise<never> => {
      throw new TypeError('x is not a function');
    },
  };
  const ran = await sbx(['status'], { services });
  t.equal(ran.code, 1);
  t.match(ran.stderr, /SBX9002[\s\S]*x is not a function/);
  t.notMatch(ran.stderr, /\n\s+at /);
  t.match((await sbx(['status', '--log-level', 'debug'], { services })).stderr, /\n\s+at /);
});

t.test('what a program wrote cannot steer the terminal', async (t) => {
  const thrown = async (): Promise<never> => {
    throw new SbxError('SBX6001', 'tool said: \u001b[2J\u001b[31mred\u0007');
  };
  t.match((await sbx(['status'], { services: { status: thrown } })).stderr, /tool said: red\n/);
});

t.test('with --json a failure is a line of JSON as well', async (t) => {
  const ran = await sbx(['status', '--json'], {
    services: { status: async () => failed(diagnostic('SBX4006', { detail: 'It is from /elsewhere.' })) },
  });
  t.equal(ran.code, 7);
  t.match(JSON.parse(ran.stdout), { format_version: 1, type: 'error', diagnostics: [{ code: 'SBX4006' }] });
});
