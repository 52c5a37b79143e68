// Where the port of a guest is asked for: only where this very VM answers.
import t from 'tap';
import type { Address } from '../../../src/core/address.ts';
import { reachOf } from '../../../src/kinds/vm/wait-ready.ts';

const forward = { hostIp: '127.0.0.1', hostPort: 8080, guestPort: 80, protocol: 'tcp' } as const;
const end = {
  network: 'network.lan' as Address,
  ip: '10.70.0.10',
  prefix: 24,
  gateway: '10.70.0.1',
  mac: '02:00:00:00:00:01',
};
const attrs = { nics: { lan: { ...end, forwards: [forward] } } };

t.test('in a namespace: at its address, which leads to its MAC address', async (t) => {
  for (const type of ['tcp', 'http'] as const)
    t.strictSame(reachOf(type, 80, attrs, 'namespace'), { host: '10.70.0.10', port: 80 });
});

t.test(
  'behind a user network: a page at the published port, a mere port nowhere, since the VMM itself would answer',
  async (t) => {
    t.strictSame(reachOf('http', 80, attrs, 'user-net'), { host: '127.0.0.1', port: 8080 });
    t.equal(reachOf('tcp', 80, attrs, 'user-net'), undefined);
    t.equal(reachOf('http', 81, attrs, 'user-net'), undefined, 'not published');
    t.equal(reachOf('http', 80, { nics: {} }, 'namespace'), undefined, 'no network');
  },
);
