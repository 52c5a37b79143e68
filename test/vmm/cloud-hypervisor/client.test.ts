import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { openClient } from '../../../src/vmm/cloud-hypervisor/client.ts';

const noContent = 'HTTP/1.1 204 \r\nServer: x\r\n\r\n';

/** A server that calls `serve` with each whole request, head and body as text. */
async function serverOf(t: Test, serve: (request: string, socket: Socket) => void): Promise<string> {
  const root = await mkdtemp('/tmp/ct-');
  const server = createServer((socket) => {
    let received = '';
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      received += chunk.toString();
      const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
      if (received.length < received.indexOf('\r\n\r\n') + 4 + length) return;
      const request = received;
      received = '';
      serve(request, socket);
    });
  });
  t.teardown(() => rm(root, { recursive: true, force: true }));
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen(`${root}/s`, resolve));
  return `${root}/s`;
}

async function put(path: string, action: string, body?: object, timeoutMs = 5000): Promise<string> {
  const client = await openClient(path);
  try {
    return await client.put(action, body, timeoutMs);
  } finally {
    await client.close();
  }
}

t.test('a body has its length, an action has no body', async (t) => {
  const requests: string[] = [];
  const path = await serverOf(t, (request, socket) => {
    requests.push(request);
    socket.write(noContent);
  });
  await put(path, 'vm.resize', { desired_vcpus: 2 });
  await put(path, 'vm.boot');
  t.match(requests[0], /^PUT \/api\/v1\/vm\.resize HTTP\/1\.1\r\n/);
  t.match(requests[0], /content-length: 19\r\n/i);
  t.match(requests[0], /\r\n\r\n\{"desired_vcpus":2\}$/);
  t.notMatch(requests.join(), /transfer-encoding/i);
  t.match(requests[1], /\r\n\r\n$/);
});

t.test('refusals are told with the words of the VMM', async (t) => {
  const body = '["Error from API","The VM could not boot","no kernel"]';
  const path = await serverOf(t, (_request, socket) =>
    socket.write(`HTTP/1.1 500 \r\nContent-Length: ${body.length}\r\n\r\n${body}`),
  );
  await t.rejects(put(path, 'vm.boot'), {
    code: 'SBX5002',
    message: 'Cloud Hypervisor refused vm.boot: The VM could not boot: no kernel',
    refusal: { status: 500 },
  });
});

t.test('a full listener is asked again, since it did not read the request', async (t) => {
  let asked = 0;
  const path = await serverOf(t, (_request, socket) => {
    asked += 1;
    if (asked < 3) socket.end('HTTP/1.1 503 \r\nContent-Length: 2\r\n\r\n{}');
    else socket.write(noContent);
  });
  t.equal(await put(path, 'vm.pause'), '');
  t.equal(asked, 3);
});

t.test('one request is in flight for a VM, whoever asks', async (t) => {
  let inFlight = 0;
  let most = 0;
  const order: string[] = [];
  const path = await serverOf(t, (request, socket) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    order.push(/v1\/(\S+)/.exec(request)?.[1] ?? '');
    setTimeout(() => {
      inFlight -= 1;
      socket.write(noContent);
    }, 20);
  });
  await Promise.all(['a', 'b', 'c', 'd'].map((action) => put(path, action)));
  t.equal(most, 1);
  t.strictSame(order, ['a', 'b', 'c', 'd']);
});

t.test('a refused request does not hold up the next one', async (t) => {
  const path = await serverOf(t, (request, socket) =>
    socket.write(request.includes('/a ') ? 'HTTP/1.1 500 \r\nContent-Length: 1\r\n\r\nx' : noContent),
  );
  const [first, second] = await Promise.allSettled([put(path, 'a'), put(path, 'b')]);
  t.equal(first.status, 'rejected');
  t.equal(second.status, 'fulfilled');
});

t.test('a body that no release takes is not sent', async (t) => {
  let asked = 0;
  const path = await serverOf(t, () => {
    asked += 1;
  });
  await t.rejects(put(path, 'vm.create', { cmdline: 'x'.repeat(51_200) }), { code: 'SBX5007' });
  t.equal(asked, 0);
});

t.test('answers that are none leave the outcome unknown, within the time limit', async (t) => {
  const reply = 'HTTP/1.1 200 \r\nContent-Length: 20\r\n\r\nhalf of it';
  const cases: readonly { name: string; serve: (socket: Socket) => void }[] = [
    { name: 'nothing', serve: () => undefined },
    { name: 'half, then nothing', serve: (socket) => socket.write(reply) },
    { name: 'half, then the end', serve: (socket) => socket.end(reply) },
    { name: 'the end at once', serve: (socket) => socket.end() },
    { name: 'destroyed', serve: (socket) => socket.destroy() },
    { name: 'another protocol', serve: (socket) => socket.write('SSH-2.0-OpenSSH\r\n') },
  ];
  for (const { name, serve } of cases) {
    const path = await serverOf(t, (_request, socket) => serve(socket));
    await t.rejects(put(path, 'vm.pause', undefined, 300), { code: 'SBX5003' }, name);
  }
  await t.rejects(put('/tmp/no-such-socket', 'vm.pause', undefined, 300), { code: 'SBX5003' }, 'no socket');
});
