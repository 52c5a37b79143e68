import t from 'tap';
import { diagnostic } from '../../../src/core/diagnostic.ts';
import { renderDoctor, renderImages } from '../../../src/core/render/host-text.ts';
import { renderOutcome } from '../../../src/core/render/outcome-text.ts';
import { widthOf } from '../../../src/core/render/paint.ts';
import { renderShow } from '../../../src/core/render/show-text.ts';
import { renderStatus } from '../../../src/core/render/status-text.ts';
import { matchesGolden } from '../../support/golden.ts';
import { at, emptyPlan, firstPlan, richPlan } from '../../support/plans.ts';
import { showReport, statusReport } from '../../support/reports.ts';

const plain = { color: false, width: 120 };

t.test('status reads as it was reviewed', async (t) => {
  matchesGolden(t, 'render/status.txt', renderStatus(statusReport, plain));
  matchesGolden(t, 'render/status-narrow.txt', renderStatus(statusReport, { color: false, width: 64 }));
  matchesGolden(t, 'render/status-none.txt', renderStatus({ ...statusReport, applied: false, vms: [] }, plain));
});

t.test('rows of a narrow table stay within the terminal', async (t) => {
  for (const width of [64, 70, 80, 100]) {
    const rows = renderStatus(statusReport, { color: true, width }).split('\n').slice(2, 7);
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
  const undone = [
    { address: at('network.lan'), outcome: 'undone' },
    { address: at('vm.db'), outcome: 'done', kept: 'its disks are gone' },
    { ...outcomes[1], undone: true },
    outcomes[2],
  ] as const;
  const rolledBack = { status: 'partial', outcomes: undone, elapsedMs: 4210 } as const;
  matchesGolden(t, 'render/outcome-rolled-back.txt', renderOutcome(firstPlan, rolledBack, plain));
  const done = firstPlan.changes.map(({ address }) => ({ address, outcome: 'done' }) as const);
  const complete = { status: 'complete', outcomes: done, elapsedMs: 12_400 } as const;
  matchesGolden(t, 'render/outcome-complete.txt', renderOutcome(firstPlan, complete, plain));
  const nothing = { status: 'complete', outcomes: [], elapsedMs: 40 } as const;
  matchesGolden(t, 'render/outcome-nothing.txt', renderOutcome(emptyPlan, nothing, plain));
});

t.test('show reads as it was reviewed, without secrets', async (t) => {
  const text = renderShow(showReport, plain);
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
