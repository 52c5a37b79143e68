// A range of published ports is one line of a plan and of the status, whichever way the VM is connected.
import t from 'tap';
import { portRuns } from '../../../src/core/port-ranges.ts';
import { applied, mustPlan } from '../../support/planning.ts';

const file = (ports: string) => `version: 1
name: shop
images: { base: { build: tiny } }
networks: { lan: { subnet: 10.70.0.0/24, mode: nat } }
vms:
  web: { image: base, networks: { lan: { address: 10.70.0.10, ports: [${ports}] } } }
`;

t.test('in a namespace', async (t) => {
  const { changes } = mustPlan({ from: applied(file('"9"')), to: file('"3000-3002:4000-4002", "3003:80"') });
  const [sandbox] = changes;
  t.match(sandbox, {
    address: 'sandbox',
    fields: [
      { field: 'ports.127.0.0.1:9/tcp' },
      { field: 'ports.127.0.0.1:3000-3002/tcp', to: { value: '127.0.0.1:3000-3002 → web:4000-4002/tcp' } },
      { field: 'ports.127.0.0.1:3003/tcp' },
    ],
  });
});

t.test('where the VMM publishes them', async (t) => {
  const from = applied(file(''), undefined, { connectivity: 'user-net' });
  const { changes } = mustPlan({ from, to: file('"3000-3002:4000-4002/udp"') });
  t.match(changes, [{ fields: [{ to: { value: { ports: ['127.0.0.1:3000-3002:4000-4002/udp'] } } }] }]);
});

t.test('only neighbours on both ends are one run', async (t) => {
  const port = (hostPort: number, guestPort: number, hostIp = '127.0.0.1', protocol: 'tcp' | 'udp' = 'tcp') => ({
    ...{ hostIp, hostPort, guestPort, protocol },
  });
  const ports = [port(1, 1), port(2, 2), port(3, 4), port(4, 5, '::1'), port(5, 6, '::1'), port(6, 7, '::1', 'udp')];
  t.strictSame(
    portRuns(ports).map(({ length }) => length),
    [2, 1, 2, 1],
  );
  t.strictSame(
    portRuns(ports, () => false).map(({ length }) => length),
    [1, 1, 1, 1, 1, 1],
  );
});
