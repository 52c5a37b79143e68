// The wait for a VM: what ends it before its time, and what is told when it was in vain.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { VmObservation } from '../../../src/core/observed.ts';
import type { WaitRequest } from '../../../src/kinds/vm/wait-ready.ts';
import { waitUntilReady } from '../../../src/kinds/vm/wait-ready.ts';
import { fakeAgent } from '../../support/fake-agent.ts';

const hourMs = 3600_000;
const running = { state: 'running', cpus: 1, cpusMax: 1, memoryBytes: 1, memoryMaxBytes: 1, disks: {}, nics: {} };

interface World {
  readonly seen?: unknown;
  readonly onExit?: 'restart' | 'keep';
  readonly timeoutMs?: number;
  /** Whether an agent answers */
  readonly agent?: boolean;
  readonly log?: string;
}

/** A wait for a VM whose driver and agent say what the test wants; only what the wait uses of them is there. */
function waitFor(t: Test, { seen = running, onExit = 'restart', timeoutMs = hourMs, agent = false, log }: World) {
  const data = mkdtempSync(join(tmpdir(), 'sbx-wait-'));
  t.teardown(() => rmSync(data, { recursive: true, force: true }));
  const serialLog = join(data, 'serial.log');
  if (log !== undefined) writeFileSync(serialLog, log);
  const openAgent = agent ? fakeAgent().open : () => Promise.reject(new Error('nobody listens'));
  const request = {
    ready: { type: 'boot', timeoutMs },
    attrs: { onExit, nics: {} },
    driver: { openAgent, observe: async () => seen as VmObservation },
    ref: { paths: { data, run: data } },
    shell: { connectProbe: '' },
    context: {
      address: 'vm.a',
      signal: new AbortController().signal,
      record: () => ({ kind: 'sandbox', attrs: { connectivity: 'user-net' }, facts: {} }),
    },
  } as unknown as WaitRequest;
  return { done: waitUntilReady(request), serialLog };
}

const panic = `[    1.0] VFS: Cannot open root device "nope"\r
[    1.1] Please append a correct "root=" boot option\r
[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r
[    1.3] Call Trace:\r
[    1.4]  panic+0x10a/0x2f1\r
`;

t.test('a panic of the kernel ends the wait, with what the kernel said before', async (t) => {
  const { done } = waitFor(t, { log: panic });
  await t.rejects(done, {
    code: 'SBX8013',
    message: [
      "The guest's kernel panicked: VFS: Unable to mount root fs on unknown-block(0,0)",
      "The guest's console ends with:",
      '  [    1.0] VFS: Cannot open root device "nope"',
      '  [    1.1] Please append a correct "root=" boot option',
      '  [    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)',
    ].join('\n'),
  });
});

t.test('a panic that comes later, in two pieces, ends it too', async (t) => {
  const { done, serialLog } = waitFor(t, { log: `${'x'.repeat(3_000_000)}\nKernel panic - not syn` });
  setTimeout(() => appendFileSync(serialLog, 'cing: Attempted to kill init!\n'), 700);
  await t.rejects(done, { code: 'SBX8013', message: /panicked: Attempted to kill init!/ });
});

t.test('a guest that powers itself off is done where that is its end, and failed elsewhere', async (t) => {
  await t.resolves(waitFor(t, { seen: { state: 'exited' }, onExit: 'keep' }).done);
  await t.rejects(waitFor(t, { seen: { state: 'exited' } }).done, { code: 'SBX8004', message: /powered itself off/ });
});

t.test('a VMM that ends, ends the wait with the reason', async (t) => {
  const seen = { state: 'dead', reason: 'it was killed' };
  await t.rejects(waitFor(t, { seen }).done, { code: 'SBX8004', message: /ended before it was ready: it was killed/ });
  await t.rejects(waitFor(t, { seen: { state: 'absent' } }).done, { code: 'SBX8004', message: /its VMM is gone/ });
});

t.test('a VM that is silent or paused is waited for', async (t) => {
  for (const state of ['unresponsive', 'paused'])
    await t.resolves(waitFor(t, { seen: { ...running, state, reason: 'busy' }, agent: true }).done, state);
});

t.test('a wait in vain tells the last lines of the console, without what steers a terminal', async (t) => {
  const { done } = waitFor(t, { timeoutMs: 300, log: 'boot\n\u001b[31mlogin:\u001b[6n \u0007\n\n' });
  const message =
    /^The guest agent did not answer within 300ms: nobody listens\nThe .* ends with:\n {2}boot\n {2}login:$/;
  await t.rejects(done, { code: 'SBX8004', message });
});

t.test('a guest that wrote nothing has no lines', async (t) => {
  await t.rejects(waitFor(t, { timeoutMs: 300 }).done, { message: /^[^\n]*nobody listens$/ });
});
