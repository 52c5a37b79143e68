import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import t from 'tap';
import { listenersFrom, readListeners } from '../../src/host/listeners.ts';

const head = '  sl  local_address rem_address   st tx_queue rx_queue';

t.test('the tables of the kernel are read', async (t) => {
  const line = (local: string, state: string): string => `   0: ${local} 00000000:0000 ${state} 00000000:00000000`;
  for (const [local, state, protocol, expected] of [
    ['0100007F:1F90', '0A', 'tcp', ['127.0.0.1:8080/tcp']],
    ['00000000:0016', '0A', 'tcp', ['0.0.0.0:22/tcp']],
    ['00000000000000000000000000000000:0016', '0A', 'tcp', ['[::]:22/tcp']],
    ['0000000000000000FFFF00000100007F:0016', '0A', 'tcp', ['127.0.0.1:22/tcp']],
    ['B80D0120000000000000000001000000:0035', '07', 'udp', ['[2001:db8:0:0:0:0:0:1]:53/udp']],
    ['0100007F:1F90', '01', 'tcp', []],
    ['0100007F:1F90', '01', 'udp', []],
  ] as const)
    t.same(listenersFrom(`${head}\n${line(local, state)}\n`, protocol), expected, `${local} ${state}`);
  t.same(listenersFrom('', 'tcp'), []);
});

t.test('who listens here is seen', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => {
    server.close();
    socket.close();
  });
  const seen = readListeners();
  t.ok(seen.has(`127.0.0.1:${(server.address() as AddressInfo).port}/tcp`));
  t.ok(seen.has(`127.0.0.1:${socket.address().port}/udp`));
});
