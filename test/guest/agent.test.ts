import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import t from 'tap';
import { openAgentSession, waitForAgent } from '../../src/guest/agent.ts';
import { commandLineOf } from '../../src/host/processes.ts';
import { type FakeOptions, fakeAgent } from '../support/fake-agent.ts';

const limits = { timeoutMs: 60_000 };
const open = (options: FakeOptions = {}) => openAgentSession(fakeAgent(options).open, limits);

t.test('a session begins in spite of what former clients left behind', async (t) => {
  const leftovers: Readonly<Record<string, readonly (string | Buffer)[]>> = {
    nothing: [],
    'an answer': ['{"return": {}}\n'],
    'half an answer': ['{"return": {"version": "7.2'],
    'an error': ['{"error": {"class": "GenericError", "desc": "old"}}\n'],
    'the echo of another number': [Buffer.from([0xff]), '{"return": 4711}\n'],
    'garbage with a delimiter': [Buffer.from([0xff, 0x00, 0xff, 10])],
  };
  for (const [name, pieces] of Object.entries(leftovers)) {
    const session = await open({ leftovers: pieces });
    await session.ping();
    const { stdout } = await session.exec(['echo', 'mine']);
    t.equal(stdout.toString(), 'mine\n', name);
    session.close();
  }
});

t.test('answers may come byte by byte, behind lines that are none', async (t) => {
  const session = await open({ pieces: 1, noise: 'noise\n"text"\n[1]\n\n' });
  t.equal((await session.exec(['echo', 'hello'])).stdout.toString(), 'hello\n');
  session.close();
});

t.test('a command ends with its code or signal, its output and its input', async (t) => {
  const session = await open();
  t.match(await session.exec(['sh', '-c', 'cat; echo bad >&2; exit 3'], { input: Buffer.from('in') }), {
    exitCode: 3,
    stdout: Buffer.from('in'),
    stderr: Buffer.from('bad\n'),
    truncated: false,
  });
  t.match(await session.exec(['sh', '-c', 'kill -TERM $$']), { signal: 15 });
  t.match(await session.exec(['sh', '-c', 'echo "$ADDED"; test -n "$PATH"'], { env: { ADDED: 'a b=c' } }), {
    exitCode: 0,
    stdout: Buffer.from('a b=c\n'),
  });
  await t.rejects(session.exec(['missing-program']), { code: 'SBX8002', message: /guest-exec.*No such file/ });
  session.close();
});

t.test('a command that takes too long, or is given up, is killed in the guest', async (t) => {
  const session = await open();
  await t.rejects(session.exec(['sh', '-c', 'echo $$ > /dev/null; exec sleep 987'], { timeoutMs: 1000 }), {
    code: 'SBX8003',
  });
  const controller = new AbortController();
  const given = session.exec(['sleep', '986'], { signal: controller.signal });
  setTimeout(() => controller.abort(), 50);
  await t.rejects(given, { name: 'AbortError' });
  const left = await session.exec([
    'sh',
    '-c',
    'for i in $(seq 200); do pgrep -x -f "sleep 98[67]" || exit 0; sleep 0.1; done; exit 1',
  ]);
  t.match(left, { exitCode: 0 });
  t.ok(commandLineOf(process.pid).length > 0);
  session.close();
});

t.test('requests of one session keep apart', async (t) => {
  const session = await open({ pieces: 7 });
  const words = Array.from({ length: 8 }, (_, index) => `word ${index}`);
  const results = await Promise.all(words.map((word) => session.exec(['echo', word])));
  t.strictSame(
    results.map(({ stdout }) => stdout.toString().trim()),
    words,
  );
  session.close();
});

t.test('files travel in pieces, both ways', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-agent-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const session = await open();
  const content = Buffer.alloc(600_001, 'abc');
  t.equal(await session.writeFile(join(folder, 'f'), [content.subarray(0, 5), content.subarray(5)]), content.length);
  const pieces: Buffer[] = [];
  for await (const piece of session.readFile(join(folder, 'f'))) pieces.push(piece);
  t.ok(pieces.length > 1 && Buffer.concat(pieces).equals(content));
  await t.rejects(session.readText(join(folder, 'none')), { code: 'SBX8002', message: /ENOENT/ });
  writeFileSync(join(folder, 'empty'), '');
  t.equal(await session.readText(join(folder, 'empty')), '');
  session.close();
});

t.test('vCPUs are switched until as many are on as asked, the first one never off', async (t) => {
  const vcpus = [0, 1, 2, 3].map((id) => ({ 'logical-id': id, online: id < 2, 'can-offline': id !== 0 }));
  const session = await open({ vcpus });
  for (const [asked, got] of [
    [3, 3],
    [1, 1],
    [4, 4],
    [0, 1],
    [9, 4],
  ] as const)
    t.equal(await session.setVcpus(asked), got);
  session.close();
});

t.test('time and addresses are told in our units', async (t) => {
  const session = await open();
  t.equal(await session.time(), 1_700_000_000_500);
  t.strictSame(await session.networkAddresses(), [
    { name: 'lo', mac: undefined, addresses: [] },
    { name: 'eth0', mac: 'aa', addresses: [{ ip: '10.0.0.1', prefix: 24 }] },
  ]);
  session.close();
});

t.test('silence, refusal and a closed stream are told apart', async (t) => {
  const silent = await openAgentSession(fakeAgent({ silent: ['guest-ping'] }).open, { timeoutMs: 1500 });
  await t.rejects(silent.ping(), { code: 'SBX8001' });
  await t.rejects(
    silent.ping(),
    { code: 'SBX8001' },
    'a late answer could be taken for the next one, so the session is over',
  );
  await t.rejects((await open({ hangUpOn: 'guest-ping' })).ping(), { code: 'SBX8002', message: /closed/ });
  await t.rejects((await open()).shutdown('halt'), { code: 'SBX8002', message: /guest-shutdown/ });
  await t.resolves((await open({ silent: ['guest-shutdown'] })).shutdown('powerdown'), 'no answer is a yes');
  await t.resolves((await open({ hangUpOn: 'guest-shutdown' })).shutdown('powerdown'));
});

t.test('waiting goes on until the agent is there, and says at the end what it saw', async (t) => {
  const agent = fakeAgent();
  let tries = 0;
  const late = async (): Promise<Duplex> => {
    tries += 1;
    if (tries === 1) throw new Error('connection refused');
    // Somebody else is being served: connected, and silent.
    if (tries === 2) return new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
    return await agent.open();
  };
  const session = await waitForAgent(late, { timeoutMs: 60_000 });
  t.equal(tries, 3);
  session.close();
  const never = async (): Promise<Duplex> => Promise.reject(new Error('connection refused'));
  await t.rejects(waitForAgent(never, { timeoutMs: 200 }), { code: 'SBX8001', message: /200ms.*connection refused/ });
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 50);
  await t.rejects(waitForAgent(never, { timeoutMs: 9000 }, controller.signal), { name: 'AbortError' });
});

/** A guest that means harm: it makes of each request whatever lines it likes. */
function hostileAgent(answer: (execute: string) => Iterable<string>): {
  readonly open: () => Promise<Duplex>;
  readonly asked: () => number;
} {
  let asked = 0;
  const said = (line: string): Iterable<string> => {
    const { execute, arguments: args = {} } = JSON.parse(line);
    asked += 1;
    return execute === 'guest-sync-delimited' ? [`\xff{"return":${args.id}}\n`] : answer(execute);
  };
  const open = async (): Promise<Duplex> => {
    const client: Duplex = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        for (const line of chunk.toString('latin1').replace(/^\xff/, '').trim().split('\n'))
          for (const words of said(line)) if (!client.destroyed) client.push(words, 'latin1');
        done();
      },
    });
    return client;
  };
  return { open, asked: () => asked };
}

t.test('an agent that answers without end is given up', async (t) => {
  const answers: Readonly<Record<string, (execute: string) => Iterable<string>>> = {
    'yes to everything': () => ['{"return":{}}\n'],
    'a list': () => ['{"return":[]}\n'],
    'a process that is none': () => ['{"return":{"pid":-1}}\n'],
    'an end without a code': (execute) =>
      execute === 'guest-exec' ? ['{"return":{"pid":7}}\n'] : ['{"return":{"exited":true}}\n'],
    'a state that is none': (execute) =>
      execute === 'guest-exec' ? ['{"return":{"pid":7}}\n'] : ['{"return":{"exited":"soon"}}\n'],
    'lines that are no answer': function* () {
      for (let line = 0; line < 50_000; line += 1) yield 'noise\n';
    },
    'much that is no answer': function* () {
      for (let piece = 0; piece < 300; piece += 1) yield `${'n'.repeat(1024 * 1024)}\n`;
    },
    'a line without end': function* () {
      for (let piece = 0; piece < 300; piece += 1) yield 'n'.repeat(1024 * 1024);
    },
  };
  for (const [name, answer] of Object.entries(answers)) {
    const agent = hostileAgent(answer);
    const session = await openAgentSession(agent.open, limits);
    await t.rejects(session.exec(['true']), { code: 'SBX8002' }, name);
    t.ok(agent.asked() < 20, `${name}: ${agent.asked()} questions`);
    session.close();
  }
});

t.test('a file that never ends, or comes in crumbs, is given up', async (t) => {
  const content = (bytes: number): string =>
    `{"return":{"buf-b64":"${Buffer.alloc(bytes, 'x').toString('base64')}","eof":false,"count":${bytes}}}\n`;
  const reads: Readonly<Record<string, number>> = { crumbs: 1, whole: 256 * 1024, 'more than asked': 512 * 1024 };
  for (const [name, bytes] of Object.entries(reads)) {
    const line = content(bytes);
    const agent = hostileAgent((execute) => [execute === 'guest-file-open' ? '{"return":1}\n' : line]);
    const session = await openAgentSession(agent.open, limits);
    await t.rejects(session.readText('/proc/meminfo'), { code: 'SBX8002' }, name);
    t.ok(agent.asked() < 1100, `${name}: ${agent.asked()} questions`);
    session.close();
  }
  for (const count of [0, -1, 0.5, 1e9, null, '1']) {
    const said = JSON.stringify({ return: { count } });
    const agent = hostileAgent((execute) => [execute === 'guest-file-open' ? '{"return":1}\n' : `${said}\n`]);
    const session = await openAgentSession(agent.open, limits);
    await t.rejects(session.writeFile('/f', [Buffer.from('text')]), { code: 'SBX8002' }, String(count));
    session.close();
  }
  const crumb = hostileAgent((execute) => [
    execute === 'guest-file-open' ? '{"return":1}\n' : '{"return":{"count":1}}\n',
  ]);
  const session = await openAgentSession(crumb.open, limits);
  await t.rejects(session.writeFile('/f', [Buffer.alloc(5000)]), { code: 'SBX8002', message: /few bytes/ });
});
