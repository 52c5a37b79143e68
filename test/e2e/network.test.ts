// A network with a way out and a published port, and what is removed behind the back of sbx. Runs in a small world with a server outside.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import t, { type Test } from 'tap';
import { eventually, makeSandboxHost, type SandboxHost, whyNot } from '../support/sandbox-host.ts';
import { killOne, linksInside, runInside, sayQmp } from '../support/tamper.ts';
import { insideWorld, inWorld } from '../support/worlds.ts';

const file = `version: 1
name: edge
images:
  base: { build: tiny }
networks:
  lan: { mode: nat }
vms:
  web:
    image: base
    memory: 160MiB
    networks: { lan: { ports: ["auto:8080"] } }
    ready: { boot: true, timeout: 3m }
outputs:
  port: \${vm.web.networks.lan.ports.8080}
`;

/** What a server answers; the reason when there is none. */
function ask(address: string, port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 20_000 });
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.on('error', (error) => resolve((error as NodeJS.ErrnoException).code ?? 'error'));
    socket.on('timeout', () => socket.destroy(Object.assign(new TypeError('timeout'), { code: 'timeout' })));
    socket.on('end', () => resolve(text));
  });
}

/** Local addresses of everything that listens on a TCP port, in the form of /proc/net/tcp. */
function listeningOn(port: number): readonly string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/^ *\d+: (\w+):(\w+) \w+:\w+ 0A/gm)].flatMap(([, address = '', found]) =>
      found === hex ? [address] : [],
    ),
  );
}

/** Something was taken away: the plan says so in these words, an apply repairs it, and the plan after that is empty. */
async function repaired(t: Test, host: SandboxHost, words: RegExp, impact: 'live' | 'restart'): Promise<void> {
  const plan = await host.sbx('plan', '--detailed-exitcode');
  t.equal(plan.code, 8, 'the plan has drift and nothing else', plan);
  t.match(plan.stdout, words);
  t.equal(JSON.parse(await host.ok('plan', '--json')).impact, impact);
  await host.ok('apply', '--auto-approve');
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
}

async function edge(t: Test): Promise<void> {
  const host = await makeSandboxHost(t);
  host.write(file);
  await host.ok('apply', '--auto-approve');
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  const port = Number(await host.ok('output', 'port'));
  // Ends when the server listens (0x1F90 is its port, 0A the state): a connection before that would be cut.
  const server = 'nc -ll -p 8080 -e echo from the guest </dev/null >/dev/null 2>&1 &';
  const listens = "until cat /proc/net/tcp /proc/net/tcp6 | grep -q ':1F90 .* 0A '; do sleep 0.1; done";
  // The server was only just started, or a link came back: who asks first may be too early.
  const answers = async (): Promise<void> => {
    let last = '';
    await eventually(
      () => `the port leads to the guest: it says ${JSON.stringify(last)}`,
      async () => {
        last = await ask('127.0.0.1', port);
        return last === 'from the guest\n';
      },
    );
  };
  const serve = ['sh', '-c', `${server} ${listens}`];

  await t.test('the guest reaches a server outside', async (t) => {
    t.match(await host.ok('exec', 'web', '--', 'nc', '-w', '20', '192.0.2.2', '8000'), /^outside 192\.0\.2\.1/);
  });

  await t.test('a published port leads to a server in the guest, from 127.0.0.1 and nowhere else', async (t) => {
    await host.ok('exec', 'web', '--', ...serve);
    await answers();
    t.equal(await ask('192.0.2.1', port), 'ECONNREFUSED');
    t.strictSame(listeningOn(port), ['0100007F']);
  });

  await t.test('a VM that was paused from outside goes on', async (t) => {
    await sayQmp(host, 'stop');
    t.match(JSON.parse(await host.ok('status', '--json')), { vms: [{ state: 'paused', drift: ['state'] }] });
    await repaired(t, host, /vm\.web[\s\S]*paused/, 'live');
  });

  await t.test('an uplink that was killed is started, and its port published', async (t) => {
    killOne(host, 'slirp4netns');
    await repaired(t, host, /uplink/, 'live');
    await answers();
  });

  await t.test('a packet filter that was emptied is loaded', async (t) => {
    t.equal((await runInside(host, ['nft', 'flush', 'ruleset'])).code, 0);
    await repaired(t, host, /packet filter/, 'live');
    await answers();
  });

  await t.test('a bridge that was deleted is made, and the VM plugged in', async (t) => {
    const bridge = (await linksInside(host)).find((name) => name.startsWith('sbxb')) ?? '';
    t.equal((await runInside(host, ['ip', 'link', 'del', bridge])).code, 0);
    await repaired(t, host, /bridge/, 'live');
    await answers();
  });

  await t.test('a keeper and a watcher that were killed are started, and the VM goes on', async (t) => {
    const boot = await host.ok('exec', 'web', '--', 'cat', '/proc/sys/kernel/random/boot_id');
    killOne(host, 'holder.sh watch');
    await repaired(t, host, /holder/, 'live');
    killOne(host, 'holder.sh held');
    await repaired(t, host, /holder/, 'live');
    await answers();
    t.equal(await host.ok('exec', 'web', '--', 'cat', '/proc/sys/kernel/random/boot_id'), boot);
  });

  await t.test('a tap that was deleted costs a restart', async (t) => {
    const tap = (await linksInside(host)).find((name) => name.startsWith('sbxt')) ?? '';
    t.equal((await runInside(host, ['ip', 'link', 'del', tap])).code, 0);
    await repaired(t, host, /tap/, 'restart');
    await host.ok('exec', 'web', '--', ...serve);
    await answers();
  });

  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
  t.strictSame(listeningOn(port), []);
}

t.test('a network with a way out', { skip: whyNot() ?? false, timeout: 900_000 }, async (t) => {
  if (insideWorld) return await edge(t);
  // Its image is built where the network is.
  await makeSandboxHost(t);
  await inWorld(t, import.meta.url, 800_000);
});
