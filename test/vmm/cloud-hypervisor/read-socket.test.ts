import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { readSocket } from '../../../src/vmm/cloud-hypervisor/read-socket.ts';

/** A server on a short socket path that does what `serve` says with each connection. */
async function serverOf(t: Test, serve: (socket: Socket) => void): Promise<string> {
  const root = await mkdtemp('/tmp/rs-');
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  t.teardown(() => rm(root, { recursive: true, force: true }));
  t.teardown(() => server.close());
  await new Promise<void>((resolve) => server.listen({ path: `${root}/s`, backlog: 2000 }, resolve));
  return `${root}/s`;
}

const ok = 'HTTP/1.1 200 \r\nContent-Length: 4\r\n\r\nping';

t.test('one GET, and the reader closes', async (t) => {
  let request = '';
  let closed = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const path = await serverOf(t, (socket) => {
    socket.on('data', (chunk) => {
      request += chunk.toString();
      // Kept alive, as the VMM does whatever is asked.
      if (request.endsWith('\r\n\r\n')) socket.write(ok);
    });
    socket.on('close', () => closed());
  });
  t.strictSame(await readSocket(path, '/api/v1/vmm.ping', { timeoutMs: 5000 }), {
    type: 'reply',
    status: 200,
    text: 'ping',
  });
  await ended;
  t.match(request, /^GET \/api\/v1\/vmm\.ping HTTP\/1\.1\r\nHost: localhost\r\n/);
});

t.test('odd servers', async (t) => {
  const dribble = (socket: Socket): void => {
    let at = 0;
    const timer = setInterval(() => {
      socket.write(ok.slice(at, at + 5));
      at += 5;
      if (at >= ok.length) clearInterval(timer);
    }, 1);
  };
  const cases: readonly { name: string; serve: (socket: Socket) => void; want: object }[] = [
    { name: 'a reply in many pieces', serve: dribble, want: { type: 'reply', status: 200, text: 'ping' } },
    { name: 'no reply at all', serve: () => undefined, want: { type: 'timeout' } },
    { name: 'half a reply, then nothing', serve: (socket) => socket.write(ok.slice(0, -2)), want: { type: 'timeout' } },
    { name: 'half a reply, then the end', serve: (socket) => socket.end(ok.slice(0, -2)), want: { type: 'busy' } },
    { name: 'the end at once', serve: (socket) => socket.end(), want: { type: 'busy' } },
    { name: 'destroyed at once', serve: (socket) => socket.destroy(), want: { type: 'busy' } },
    { name: 'another protocol', serve: (socket) => socket.write('SSH-2.0-OpenSSH\r\n'), want: { type: 'garbled' } },
    {
      name: 'too many connections',
      serve: (socket) => socket.end('HTTP/1.1 503 \r\nContent-Length: 2\r\n\r\n{}'),
      want: { type: 'busy' },
    },
    {
      name: 'more than anyone wants',
      serve: (socket) => socket.write(`HTTP/1.1 200 \r\nContent-Length: 90000000\r\n\r\n${'x'.repeat(200_000)}`),
      want: { type: 'garbled' },
    },
  ];
  for (const { name, serve, want } of cases) {
    await t.test(name, async (t) => {
      const path = await serverOf(t, serve);
      // Only where nothing more comes is the limit what ends it.
      const timeoutMs = 'type' in want && want.type === 'timeout' ? 200 : 20_000;
      t.match(await readSocket(path, '/x', { timeoutMs, maxBytes: 100_000 }), want);
    });
  }
});

t.test('sockets that are not there', async (t) => {
  const root = await mkdtemp('/tmp/rs-');
  t.teardown(() => rm(root, { recursive: true, force: true }));
  t.strictSame(await readSocket(`${root}/none`, '/x', { timeoutMs: 500 }), { type: 'absent' });
  t.match(await readSocket(root, '/x', { timeoutMs: 500 }), { type: 'refused' });
});

t.test('a thousand sockets at once', async (t) => {
  const path = await serverOf(t, (socket) => socket.on('data', () => socket.write(ok)));
  const reads = await Promise.all(Array.from({ length: 1000 }, () => readSocket(path, '/x', { timeoutMs: 60_000 })));
  t.strictSame(new Set(reads.map((read) => read.type)), new Set(['reply']));
});
