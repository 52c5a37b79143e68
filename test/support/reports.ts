// Reports made by hand, for tests of what shows them.
import type { HomeReport, ShowReport, StatusReport } from '../../src/core/render/status-model.ts';
import { at, is } from './plans.ts';

/** VMs in every sort of state. */
export const statusReport: StatusReport = {
  sandbox: { name: 'shop', instance: 'pr-17' },
  applied: true,
  driver: { name: 'qemu', version: '7.2.22', acceleration: 'tcg' },
  leaseMs: 3 * 3_600_000 + 125_000,
  busy: { pid: 4711, user: 'anna', command: 'sbx apply' },
  vms: [
    {
      address: at('vm.db'),
      state: 'running',
      nics: [{ network: 'lan', ip: '10.68.0.10' }],
      ports: [{ hostIp: '127.0.0.1', hostPort: 5432, guestPort: 5432, protocol: 'tcp' }],
      cpus: 2,
      memoryBytes: 512 * 2 ** 20,
      uptimeMs: 5_047_000,
      drift: ['memory.size'],
    },
    {
      address: at('vm.web[0]'),
      state: 'running',
      nics: [
        { network: 'lan', ip: '10.68.0.2' },
        { network: 'dmz', ip: '10.69.0.2' },
      ],
      ports: [
        { hostIp: '0.0.0.0', hostPort: 8080, guestPort: 80, protocol: 'tcp' },
        { hostIp: '127.0.0.1', hostPort: 5353, guestPort: 53, protocol: 'udp' },
      ],
      cpus: 1,
      memoryBytes: 1.5 * 2 ** 30,
      uptimeMs: 42_000,
      drift: [],
    },
    { address: at('vm.job["a"]'), state: 'stopped', hold: true, nics: [], ports: [], drift: [] },
    { address: at('vm.old'), state: 'dead', reason: 'killed by signal 9', nics: [], ports: [], drift: ['state'] },
  ],
  drift: [{ address: at('sandbox'), field: 'holder', recorded: is('present'), observed: is('absent'), remedy: '' }],
};

/** A network, and a VM that was interrupted while it was created. */
export const showReport: ShowReport = {
  sandbox: { name: 'shop' },
  lineage: '0b0c',
  serial: 7,
  folder: '/work/shop',
  files: ['/work/shop/sbx.yaml'],
  resources: [
    {
      record: {
        kind: 'network',
        address: at('network.lan'),
        status: 'ready',
        attrs: { mode: 'nat', subnet: '10.68.0.0/24', gateway: '10.68.0.1' },
        facts: { bridge: 'sbx0123456789' },
        dependsOn: [],
      },
      observed: { up: true },
      drift: [],
    },
    {
      record: {
        kind: 'vm',
        address: at('vm.db'),
        status: 'creating',
        pending: { step: 'vm.db/vm.start', op: 'vm.start' },
        attrs: {
          image: at('image.base'),
          imageDigest: 'sha256:00',
          cmdline: '',
          hostname: 'db',
          cpus: { count: 1, max: 1 },
          memory: { sizeBytes: 2 ** 28, maxBytes: 2 ** 28 },
          disks: { root: { type: 'root', sizeBytes: null } },
          nics: {},
          env: { TOKEN: { sensitive: 'hmac-of-the-token' }, MODE: 'test' },
          state: 'running',
          hold: false,
          onExit: 'restart',
          ready: null,
          lifecycle: { preventDestroy: false, ignoreChanges: [], replaceTriggeredBy: [] },
          driver: 'qemu',
        },
        facts: {},
        dependsOn: [],
      },
      observed: null,
      drift: [{ address: at('vm.db'), field: 'state', recorded: is('running'), observed: is('dead'), remedy: '' }],
    },
  ],
};

/** A home with a sandbox of each kind. */
export const homeReport: HomeReport = {
  sandboxes: [
    { sandbox: { name: 'shop' }, folder: '/work/shop', vms: { running: 2, total: 3 }, leaseMs: 5_400_000 },
    { sandbox: { name: 'shop', instance: 'pr-17' }, folder: '/work/shop', vms: { running: 0, total: 1 } },
    {
      sandbox: { name: 'torn' },
      vms: { running: 0, total: 0 },
      leaseMs: -1,
      busy: { pid: 7, user: 'ana', command: 'sbx apply', sinceMs: 5 },
      problem: 'torn.json is not JSON.',
    },
  ],
};
