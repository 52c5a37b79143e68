// A host that forbids network namespaces: each VM has QEMU's user network, and sbx says so. Runs once more under a limit of no such namespace.
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { eventually, makeSandboxHost, type SandboxHost, whyNot } from '../support/sandbox-host.ts';

const file = `version: 1
name: alone
images:
  base: { build: tiny }
networks:
  lan: { mode: nat }
  own: { mode: isolated }
vms:
  shut: { image: base, memory: 160MiB, networks: { own: {} }, ready: { boot: true, timeout: 3m } }
  web:
    image: base
    memory: 160MiB
    networks: { lan: { ports: ["auto:8080"] } }
    ready: { boot: true, timeout: 3m }
outputs:
  port: \${vm.web.networks.lan.ports.8080}
`;

// The limit holds for everything below the user namespace that it is set in, whose root may set it.
const forbid =
  'echo 0 >/proc/sys/user/max_net_namespaces && exec unshare -U --map-user="$1" --map-group="$2" -- "$3" --import "$4" "$5"';

function answer(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, timeout: 20_000 });
    let text = '';
    socket.on('data', (chunk) => (text += chunk));
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

/** Asks a server on this host's loopback from both guests, by every address that may lead there. */
async function reachesHost(t: Test, host: SandboxHost): Promise<void> {
  const server = createServer((socket) => socket.end('host\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const at = server.address();
  const port = typeof at === 'object' && at !== null ? at.port : 0;
  // The gateway, the resolver, and one that nobody has.
  const ask = `prefix=$(ip -4 -o addr show dev eth0 | sed 's/.* inet \\([0-9.]*\\)\\.[0-9]*\\/.*/\\1/')
for end in 1 77 254; do echo | nc -w 2 $prefix.$end ${port}; done; echo done`;
  t.match(await host.ok('exec', 'web', '--', 'sh', '-c', ask), /host\n/, 'as was allowed');
  t.equal(await host.ok('exec', 'shut', '--', 'sh', '-c', ask), 'done\n', 'an isolated network leads nowhere');
}

async function alone(t: Test): Promise<void> {
  const host = await makeSandboxHost(t);
  host.write(file);
  t.match(await host.sbx('plan'), { code: 7, stderr: /SBX3122[\s\S]*--allow-host-loopback/ }, 'it is refused');
  t.match(await host.sbx('apply', '--auto-approve'), { code: 7, stderr: /SBX3122/ });
  const allow = '--allow-host-loopback';
  t.match(await host.sbx('plan', allow), { code: 0, stderr: /SBX3104/ }, 'the plan says what is missing');
  await host.ok('apply', '--auto-approve', allow);
  await reachesHost(t, host);
  t.match(await host.ok('plan', '--detailed-exitcode'), /No changes/);
  t.strictSame(await host.sbx('exec', 'web', '--', 'sh', '-c', 'hostname; exit 3'), {
    code: 3,
    stdout: 'web\n',
    stderr: '',
  });
  await host.ok(
    'exec',
    'web',
    '--',
    'sh',
    '-c',
    'nc -ll -p 8080 -e echo from the guest </dev/null >/dev/null 2>&1 & until cat /proc/net/tcp /proc/net/tcp6 | grep -q ":1F90 .* 0A "; do sleep 0.1; done',
  );
  const port = Number(await host.ok('output', 'port'));
  await eventually('the published port leads to the guest', async () => (await answer(port)) === 'from the guest\n');
  await host.ok('destroy', '--auto-approve');
  t.strictSame(host.leftovers(), []);
}

t.test('without network namespaces', { skip: whyNot() ?? false, timeout: 600_000 }, async (t) => {
  if (process.env['SBX_TEST_NO_NETNS'] === '1') return await alone(t);
  await makeSandboxHost(t);
  const ids = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0].map(String);
  const loader = fileURLToPath(import.meta.resolve('tsx'));
  const words = ['-U', '-r', '--', '/bin/sh', '-euc', forbid, 'forbid', ...ids, process.execPath, loader];
  const { NODE_OPTIONS: _loader, ...rest } = process.env;
  const env = { ...rest, SBX_TEST_NO_NETNS: '1', TAP: '1', TAP_TIMEOUT: '500' };
  await t.spawn('unshare', [...words, fileURLToPath(import.meta.url)], { env, timeout: 500_000 }, 'as this user');
});
