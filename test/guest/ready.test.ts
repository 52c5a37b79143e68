import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import type { Ready } from '../../src/core/desired.ts';
import { probeArgv, type ReadyContext, waitUntilReady } from '../../src/guest/ready.ts';
import { fakeAgent } from '../support/fake-agent.ts';

const context = (change: Partial<ReadyContext> = {}): ReadyContext => ({
  openAgent: fakeAgent().open,
  // Node runs the program as it stands in the source, through tsx.
  enter: ([node = '', ...rest]) => [node, '--import', 'tsx', ...rest],
  reach: (port) => ({ host: '127.0.0.1', port }),
  probeScript: resolve('src/guest/connect-probe.ts'),
  ...change,
});

async function listening(t: { teardown: (undo: () => void) => void }, server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => void server.close());
  const at = server.address();
  return typeof at === 'object' && at !== null ? at.port : 0;
}

t.test('a VM that answers in the way that was asked for is ready', async (t) => {
  const tcp = await listening(
    t,
    createServer((socket) => socket.on('error', () => undefined).end()),
  );
  let status = 503;
  const http = await listening(
    t,
    createHttpServer((request, response) => {
      response.writeHead(request.url === '/healthz' ? status : 404).end();
      status = 204;
    }),
  );
  const folder = mkdtempSync(join(tmpdir(), 'sbx-ready-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  setTimeout(() => writeFileSync(join(folder, 'there'), ''), 300);
  const ways: readonly Ready[] = [
    { type: 'boot', timeoutMs: 60_000 },
    { type: 'tcp', port: tcp, timeoutMs: 60_000 },
    { type: 'http', port: http, path: '/healthz', timeoutMs: 60_000 },
    { type: 'exec', argv: ['test', '-e', join(folder, 'there')], timeoutMs: 60_000 },
  ];
  for (const ready of ways) await t.resolves(waitUntilReady(ready, context()), ready.type);
  await t.resolves(
    waitUntilReady({ type: 'tcp', port: tcp, timeoutMs: 60_000 }, context({ reach: () => undefined })),
    'by the tables of the guest',
  );
});

t.test('a VM that does not is refused with what was last seen', async (t) => {
  const http = await listening(
    t,
    createHttpServer((_request, response) => response.writeHead(500).end()),
  );
  const closed = await listening(t, createServer());
  const cases: readonly (readonly [Ready, RegExp, Partial<ReadyContext>?])[] = [
    [
      { type: 'boot', timeoutMs: 100 },
      /^The guest agent did not answer within 100ms: gone$/,
      { openAgent: () => Promise.reject(new Error('gone')) },
    ],
    [{ type: 'tcp', port: 1, timeoutMs: 2500 }, /^Port 1 did not accept connections within 2s500ms: .*ECONNREFUSED/],
    [{ type: 'http', port: http, path: '/', timeoutMs: 2500 }, /HTTP status 500/],
    [{ type: 'exec', argv: ['sh', '-c', 'echo not yet >&2; exit 4'], timeoutMs: 2500 }, /ended with 4: not yet/],
    [{ type: 'exec', argv: ['missing-program'], timeoutMs: 2500 }, /No such file/],
    [{ type: 'tcp', port: 1, timeoutMs: 2500 }, /nothing listens on port 1/, { reach: () => undefined }],
    [{ type: 'http', port: closed, path: '/', timeoutMs: 2500 }, /not published/, { reach: () => undefined }],
  ];
  for (const [ready, message, change] of cases) {
    await t.rejects(waitUntilReady(ready, context(change)), { code: 'SBX8004', message }, message.source);
  }
  const gone = AbortSignal.abort();
  await t.rejects(waitUntilReady({ type: 'boot', timeoutMs: 60_000 }, context({ signal: gone })), {
    name: 'AbortError',
  });
});

t.test('the command line of a probe is words, one by one', async (t) => {
  const argv = probeArgv(
    '/x/probe.mjs',
    { type: 'http', port: 80, path: '/a b', timeoutMs: 1 },
    { host: '10.0.0.2', port: 80 },
    999.5,
  );
  t.strictSame(argv.slice(1), ['/x/probe.mjs', 'http', '10.0.0.2', '80', '1000', '/a b']);
});
