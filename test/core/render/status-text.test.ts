import t from 'tap';
import { diagnostic } from '../../../src/core/diagnostic.ts';
import { renderDoctor, renderImages } from '../../../src/core/render/host-text.ts';
import { renderOutcome } from '../../../src/core/render/outcome-text.ts';
import { widthOf } from '../../../src/core/render/paint.ts';
import { renderShow } from '../../../src/core/render/show-text.ts';
import type { ShowReport, StatusReport } from '../../../src/core/render/status-model.ts';
import { renderStatus } from '../../../src/core/render/status-text.ts';
import { matchesGolden } from '../../support/golden.ts';
import { at, emptyPlan, firstPlan, is, richPlan } from '../../support/plans.ts';

const plain = { color: false, width: 120 };

const report: StatusReport = {
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

t.test('status reads as it was reviewed', async (t) => {
  matchesGolden(t, 'render/status.txt', renderStatus(report, plain));
  matchesGolden(t, 'render/status-narrow.txt', renderStatus(report, { color: false, width: 64 }));
  matchesGolden(t, 'render/status-none.txt', renderStatus({ ...report, applied: false, vms: [] }, plain));
});

t.test('rows of a narrow table stay within the terminal', async (t) => {
  for (const width of [64, 70, 80, 100]) {
    const rows = renderStatus(report, { color: true, width }).split('\n').slice(2, 7);
    for (const row of rows) t.ok(widthOf(row) <= width, `${widthOf(row)} <= ${width}: ${row}`);
  }
});

t.test('how an apply ended reads as it was reviewed', async (t) => {
  const outcomes = [
    { address: at('network.lan'), outcome: 'done' },
    {
      address: at('volume.pg'),
      outcome: 'failed',
      diagnostic: diagnostic('SBX6001', { detail: 'mkfs ended with 1.\nSecond line.' }),
    },
    { address: at('vm.web[0]'), outcome: 'not-started', because: 'volume.pg failed' },
  ] as const;
  const unfinished = { address: at('vm.db'), outcome: 'unfinished', because: 'interrupted while starting' } as const;
  const partial = { status: 'partial', outcomes, elapsedMs: 4210 } as const;
  matchesGolden(t, 'render/outcome-partial.txt', renderOutcome(firstPlan, partial, plain));
  const interrupted = { status: 'interrupted', outcomes: [...outcomes, unfinished], elapsedMs: 65_000 } as const;
  matchesGolden(t, 'render/outcome-interrupted.txt', renderOutcome(richPlan, interrupted, plain));
  const done = firstPlan.changes.map(({ address }) => ({ address, outcome: 'done' }) as const);
  const complete = { status: 'complete', outcomes: done, elapsedMs: 12_400 } as const;
  matchesGolden(t, 'render/outcome-complete.txt', renderOutcome(firstPlan, complete, plain));
  const nothing = { status: 'complete', outcomes: [], elapsedMs: 40 } as const;
  matchesGolden(t, 'render/outcome-nothing.txt', renderOutcome(emptyPlan, nothing, plain));
});

t.test('show reads as it was reviewed, without secrets', async (t) => {
  const shown: ShowReport = {
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
  const text = renderShow(shown, plain);
  matchesGolden(t, 'render/show.txt', text);
  t.notMatch(text, /hmac/);
});

t.test('doctor and images read as they were reviewed', async (t) => {
  const checks = [
    { name: 'KVM', status: 'limited', detail: '/dev/kvm is not there: guests are emulated.' },
    {
      name: 'QEMU',
      status: 'missing',
      detail: 'not on PATH.',
      hint: 'Install it with:\napt-get install qemu-system-x86',
    },
    { name: 'user namespaces', status: 'ok', detail: 'allowed.' },
  ] as const;
  matchesGolden(t, 'render/doctor.txt', renderDoctor(checks, plain));
  const image = {
    name: 'tiny',
    digest: `sha256:${'ab'.repeat(32)}`,
    sizeBytes: 44_000_000,
    builtAtMs: 0,
    usedBy: ['shop'],
  };
  matchesGolden(t, 'render/images.txt', renderImages([image], 7_500_000, plain));
});
