import t from 'tap';
import { isPortTaken } from '../../src/core/listeners.ts';

for (const [listener, hostIp, taken] of [
  ['127.0.0.1:80/tcp', '127.0.0.1', true],
  ['0.0.0.0:80/tcp', '127.0.0.1', true],
  ['[::]:80/tcp', '127.0.0.1', true],
  ['192.0.2.1:80/tcp', '127.0.0.1', false],
  ['127.0.0.1:80/tcp', '0.0.0.0', true],
  ['192.0.2.1:80/tcp', '0.0.0.0', true],
  ['[0:0:0:0:0:0:0:1]:80/tcp', '0.0.0.0', false],
  ['127.0.0.1:80/udp', '127.0.0.1', false],
  ['127.0.0.1:8080/tcp', '127.0.0.1', false],
  ['127.0.0.1:180/tcp', '0.0.0.0', false],
] as const)
  t.test(`with ${listener}, ${hostIp}:80/tcp is ${taken ? 'taken' : 'free'}`, async (t) => {
    t.equal(isPortTaken(new Set([listener]), hostIp, 80, 'tcp'), taken);
  });
