import t from 'tap';
import { patienceMs, untilReached } from '../../src/cli/boot-patience.ts';
import { whyOff } from '../../src/cli/find-guest.ts';
import type { VmObservation } from '../../src/core/observed.ts';

t.test('a guest is waited for while it may be booting', async (t) => {
  const now = { wallMs: 1_000_000 };
  t.equal(patienceMs(undefined, now.wallMs, now), 120_000, 'just started');
  t.equal(patienceMs(undefined, now.wallMs - 30_000, now), 90_000);
  t.equal(patienceMs(undefined, now.wallMs - 86_400_000, now), 10_000, 'it runs since yesterday');
  t.equal(patienceMs(undefined, undefined, now), 10_000, 'nobody knows since when');
  t.equal(patienceMs(undefined, now.wallMs + 86_400_000, now), 120_000, 'the clock was set back');
  t.equal(patienceMs(0, now.wallMs, now), 0, 'as asked');
  t.equal(patienceMs(3_600_000, now.wallMs, now), 3_600_000);
});

t.test('there is one try at least, and the notice only while nobody answers', async (t) => {
  const signal = new AbortController().signal;
  let said = 0;
  const say = (): void => {
    said += 1;
  };
  const never = async () => ({ why: 'no route' });
  t.strictSame(await untilReached({ limitMs: 0, say, signal }, never, async () => true), { why: 'no route' });
  t.equal(said, 0, 'not for a moment');
  t.strictSame(await untilReached({ limitMs: 2000, say, signal }, never, async () => true), { why: 'no route' });
  t.equal(said, 1);
  const long = () => new Promise<{ done: number }>((resolve) => setTimeout(() => resolve({ done: 7 }), 1500));
  t.strictSame(await untilReached({ limitMs: 9000, say, signal }, long, async () => false), { done: 7 });
  t.equal(said, 1, 'a long command is no wait');
});

const record = (attrs: object) => ({ address: 'vm.web', attrs }) as unknown as Parameters<typeof whyOff>[1];

t.test('a guest that cannot answer is told from one that may', async (t) => {
  const cases: readonly (readonly [VmObservation, object, RegExp | undefined])[] = [
    [{ state: 'exited' }, { onExit: 'restart' }, /powered itself off.*sbx start vm\.web/s],
    [{ state: 'exited' }, { onExit: 'keep' }, /sbx restart vm\.web/],
    [{ state: 'absent' }, { hold: true }, /sbx stop holds it.*sbx start vm\.web/s],
    [{ state: 'absent' }, { hold: false }, /sbx apply/],
    [{ state: 'dead', reason: 'it was killed' }, {}, /it was killed.*sbx start/s],
    [{ state: 'halted', reason: 'it was deleted from outside' }, {}, /deleted from outside.*sbx start/s],
    [{ state: 'lost', reason: 'its socket is gone' }, {}, undefined],
    [{ state: 'unresponsive', reason: 'no answer' }, {}, undefined],
  ];
  for (const [seen, attrs, want] of cases) {
    const why = whyOff(seen, record(attrs));
    if (want === undefined) t.equal(why, undefined, seen.state);
    else t.match(`${why?.detail}\n${why?.hint}`, want, seen.state);
  }
  const paused = { state: 'paused' } as VmObservation;
  t.match(whyOff(paused, record({}))?.detail, /paused/);
  const blocked = { state: 'blocked', reason: 'a disk write failed for want of room' } as VmObservation;
  t.match(whyOff(blocked, record({})), { detail: /held: a disk write failed/, hint: /Make room/ });
});
