// -f -: the file on standard input, through the program.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import type { GlobalOptions } from '../../src/cli/services.ts';
import { stdinReader } from '../../src/cli/stdin-text.ts';
import { createServices } from '../../src/cli/wire.ts';
import { type CliInput, type Ran, sbx } from '../support/cli.ts';

const text = 'version: 1\nname: shop\nvolumes: { a: { size: 1GiB } }\n';
const installation = {
  program: '/nonexistent',
  holderScript: '/nonexistent',
  connectProbe: '/nonexistent',
  kvmFirmware: '/nonexistent',
  recipesDir: '/nonexistent',
};

function programIn(t: Test): {
  readonly cwd: string;
  readonly run: (argv: readonly string[], input?: CliInput) => Promise<Ran>;
} {
  const root = mkdtempSync('/tmp/sbxt-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const environment = { PATH: '/usr/bin' };
  const makeServices = (options: GlobalOptions) => createServices(options, { environment, installation });
  const home = join(root, 'h');
  return {
    cwd: root,
    run: (argv, input) =>
      sbx([...argv, '--home', home], { cwd: root, env: environment, makeServices, ...piped(input) }),
  };
}

/** What is typed ends, as it does in a pipe. */
function piped(input: CliInput = {}): CliInput {
  return input.stdin === undefined ? input : { ...input, endStdin: true };
}

t.test('validate and plan take the file from standard input, as one of the working directory', async (t) => {
  const { cwd, run } = programIn(t);
  const valid = await run(['validate', '-f', '-'], { stdin: text });
  t.equal(valid.code, 0, valid.stderr);
  writeFileSync(join(cwd, 'seed'), 'x');
  const reads = `${text}outputs: { o: "\${file.read('seed')}" }\n`;
  const plan = await run(['plan', '--json', '-f', '-'], { stdin: reads });
  t.equal(plan.code, 0, plan.stderr);
  t.match(plan.stdout, /"o"/);
  const broken = await run(['validate', '-f', '-'], { stdin: `${text}vmz: {}\n` });
  t.equal(broken.code, 3);
  t.match(broken.stderr, /^standard input:4:1: error SBX1201/);
  const compared = await run(['plan', '--against', '-', '-f', 'now.yaml'], { stdin: text });
  t.equal(compared.code, 3, 'the other file is missing');
  writeFileSync(join(cwd, 'now.yaml'), text.replace('1GiB', '2GiB'));
  t.match((await run(['plan', '--against', '-', '-f', 'now.yaml'], { stdin: text })).stdout, /volume\.a/);
});

t.test('apply cannot ask when the file came through the same pipe', async (t) => {
  const { run } = programIn(t);
  const ran = await run(['apply', '-f', '-'], { stdin: `${text}` });
  t.equal(ran.code, 64);
  t.match(ran.stderr, /SBX0002/);
  t.match(ran.stderr, /--auto-approve/);
});

t.test('where standard input is taken, or cannot be read again, - is refused', async (t) => {
  const { cwd, run } = programIn(t);
  const refused: readonly (readonly string[])[] = [
    ['exec', '-f', '-', 'web', '--', 'true'],
    ['shell', '-f', '-', 'web'],
    ['console', '-f', '-', 'web'],
    ['cp', '-f', '-', 'a', 'web:/a'],
    ['init', '-f', '-'],
    ['plan', '-f', '-', '-o', 'x.plan'],
    ['plan', '-f', '-', '-f', '-'],
    ['plan', '-f', '-', '--var-file', '-'],
    ['plan', '-f', '-', '--against', '-'],
    ['plan', '-f', '-', '--against', 'git:HEAD'],
  ];
  for (const argv of refused) {
    const ran = await run(argv, { stdin: text });
    t.equal(ran.code, 64, argv.join(' '), ran);
    t.match(ran.stderr, /SBX0001/, argv.join(' '));
  }
  t.strictSame(readdirSync(cwd), [], 'nothing was written');
  const terminal = await run(['validate', '-f', '-'], { tty: true });
  t.equal(terminal.code, 64, 'a terminal is no file');
});

t.test('standard input is read once, within the bounds of a file', async (t) => {
  const stream = (chunks: readonly (string | Buffer)[]) => {
    const stdin = new PassThrough();
    for (const chunk of chunks) stdin.write(chunk);
    stdin.end();
    return stdinReader(stdin);
  };
  const read = stream(['ver', Buffer.from('sion: 1')]);
  t.match(await read(), { ok: true, value: 'version: 1' });
  t.match(await read(), { ok: true, value: 'version: 1' });
  t.match(await stream([Buffer.from([0xff])])(), { ok: false, diagnostics: [{ code: 'SBX1005' }] });
  t.match(await stream([Buffer.alloc(11 * 1024 * 1024, 'a')])(), { ok: false, diagnostics: [{ code: 'SBX1003' }] });
  t.match(await stream([])(), { ok: true, value: '' });
});
