// What an observation makes of answers; the socket is played by the test, the process by one with the right words.
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ProcessRef } from '../../../src/core/state/facts.ts';
import { refOf } from '../../../src/host/processes.ts';
import type { VmRef } from '../../../src/vmm/driver.ts';
import { qemuFiles, qmpWord } from '../../../src/vmm/qemu/layout.ts';
import { defaultLimits } from '../../../src/vmm/qemu/limits.ts';
import { observeQemu } from '../../../src/vmm/qemu/observe.ts';
import { lastWords } from '../../../src/vmm/qemu/process.ts';
import { resizeQemuCpus, resizeQemuMemory } from '../../../src/vmm/qemu/resize.ts';
import { type FakeRequest, refusal, shortFolder, silent, startFakeQmp } from '../../support/fake-qmp.ts';

const answers: Readonly<Record<string, unknown>> = {
  'query-hotpluggable-cpus': [{ type: 'cpu', props: {}, 'qom-path': '/a' }],
  'query-memory-size-summary': { 'base-memory': 1000 },
  'query-memory-devices': [],
  'query-block': [],
  'query-rx-filter': [],
};

const answered = (status: string) => (request: FakeRequest) =>
  request.execute === 'query-status' ? { status } : answers[request.execute];

/** A process that waits on a pipe for ever, and uses no time at all. */
function idling(first: string): readonly string[] {
  return ['sh', '-c', `${first}read -r _`];
}

/** A VM whose process idles, with the word on its command line by which it is known; with a program of its own, one that does something. */
async function idleVm(t: Test, program = idling('')): Promise<VmRef & { readonly process: ProcessRef }> {
  const folder = shortFolder(t);
  const paths = { run: join(folder, 'run'), data: join(folder, 'data') };
  for (const path of Object.values(paths)) mkdirSync(path);
  const [file = '', ...args] = program;
  const child = spawn(file, [...args, qmpWord(paths)], { stdio: ['pipe', 'ignore', 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await new Promise((resolve) => child.once('spawn', resolve));
  writeFileSync(qemuFiles(paths).pid, `${child.pid}\n`);
  const ref = refOf(child.pid ?? 0);
  if (ref === undefined) throw new Error('the idle process is gone');
  return { paths, process: ref };
}

const shape = { cpus: 1, cpusMax: 1, memoryBytes: 1000, memoryMaxBytes: 1000, disks: {}, nics: {} };

const cases = [
  { status: 'running', want: { ...shape, state: 'running' } },
  { status: 'paused', want: { ...shape, state: 'paused' } },
  { status: 'prelaunch', want: { ...shape, state: 'paused' } },
  { status: 'guest-panicked', want: { state: 'halted', reason: /panicked/ } },
  { status: 'internal-error', want: { state: 'halted', reason: /internal error/ } },
  { status: 'shutdown', want: { state: 'halted', reason: /ended/ } },
  { status: 'io-error', want: { ...shape, state: 'blocked', reason: /disk write failed/ } },
];

for (const { status, want } of cases) {
  t.test(`a QEMU that says ${status} is ${want.state}`, async (t) => {
    const ref = await idleVm(t);
    await startFakeQmp(t, qemuFiles(ref.paths).qmp, { answer: answered(status) });
    t.match(await observeQemu(ref, 2000), want);
    t.match(await observeQemu({ paths: ref.paths }, 2000), want, 'also when the process was not recorded');
  });
}

const strange = [
  { name: 'nonsense for a status', answer: () => 17, want: /does not say what state/ },
  {
    name: 'refuses a question',
    answer: (r: FakeRequest) => (r.execute === 'query-block' ? refusal('no') : answered('running')(r)),
    want: /does not say what the VM has/,
  },
  { name: 'says nothing', answer: () => silent, want: /within 2000 ms/ },
  { name: 'speaks another protocol', greeting: 'SSH-2.0\r\n', answer: () => silent, want: /not QMP/ },
];

for (const { name, want, ...behaviour } of strange) {
  t.test(`a QEMU that ${name} is unresponsive`, async (t) => {
    const ref = await idleVm(t);
    await startFakeQmp(t, qemuFiles(ref.paths).qmp, behaviour);
    t.match(await observeQemu(ref, 2000), { state: 'unresponsive', reason: want });
  });
}

t.test('a QEMU that has removed its files, and is about to end, has exited', async (t) => {
  const ref = await idleVm(t);
  rmSync(qemuFiles(ref.paths).pid);
  const seen = observeQemu(ref, 2000);
  setTimeout(() => process.kill(ref.process.pid, 'SIGKILL'), 50);
  t.strictSame(await seen, { state: 'exited' });
});

t.test('a pid file that names a stranger is not believed', async (t) => {
  const folder = shortFolder(t);
  const paths = { run: folder, data: folder };
  writeFileSync(qemuFiles(paths).pid, `${process.pid}\n`);
  t.match(await observeQemu({ paths }, 200), { state: 'dead', reason: /killed or crashed/ });
});

t.test('the last words of a crash are part of the reason', async (t) => {
  const folder = shortFolder(t);
  const paths = { run: folder, data: folder };
  writeFileSync(qemuFiles(paths).qmp, '');
  writeFileSync(qemuFiles(paths).vmmLog, '2026-11-22T13:00:00.123456Z qemu-system-x86_64: Out of \u001bmemory\n\n');
  t.match(await observeQemu({ paths }, 200), { state: 'dead', reason: /its log ends: Out of {2}?memory$/ });
  t.equal(await lastWords(paths, 1000), undefined, 'words of an earlier process are not taken for its own');
});

t.test('a vCPU is taken away by its path, highest first, and only under KVM', async (t) => {
  for (const enabled of [true, false]) {
    const ref = await idleVm(t);
    const plugged = new Set(['/cpu0', '/cpu1', '/cpu2']);
    const { asked } = await startFakeQmp(t, qemuFiles(ref.paths).qmp, {
      answer: (request, socket) => {
        if (request.execute === 'query-kvm') return { enabled, present: true };
        if (request.execute === 'query-hotpluggable-cpus')
          return [2, 1, 0].map((core) => ({
            type: 'cpu',
            props: { 'core-id': core },
            ...(plugged.has(`/cpu${core}`) ? { 'qom-path': `/cpu${core}` } : {}),
          }));
        if (request.execute !== 'device_del') return {};
        plugged.delete(String(request.arguments?.['id']));
        socket.write('{"event":"DEVICE_DELETED","data":{"path":"/cpu"}}\n');
        return {};
      },
    });
    const resized = resizeQemuCpus(ref, 1, defaultLimits);
    if (!enabled) await t.rejects(resized, { code: 'SBX5007' });
    else await t.resolves(resized);
    const removed = asked.filter(({ execute }) => execute === 'device_del').map((one) => one.arguments?.['id']);
    t.strictSame(removed, enabled ? ['/cpu1', '/cpu2'] : []);
  }
});

t.test('a guest that gives no memory back is asked no further, and the size it has is what stays', async (t) => {
  const ref = await idleVm(t);
  let requested = 3000;
  await startFakeQmp(t, qemuFiles(ref.paths).qmp, {
    answer: ({ execute, arguments: given }) => {
      if (execute === 'qom-set') requested = Number(given?.['value']);
      if (execute === 'query-memory-devices')
        return [{ type: 'virtio-mem', data: { memdev: '/objects/hot-9000', size: 3000, 'requested-size': requested } }];
      return answers[execute];
    },
  });
  const limits = { ...defaultLimits, stallMs: 300 };
  await t.rejects(resizeQemuMemory(ref, 2000, limits), { code: 'SBX5005', message: /the guest has .* of memory/ });
  t.equal(requested, 3000);
});

const working =
  "require('fs').writeFileSync('/proc/self/comm', 'CPU 0/TCG'); setInterval(() => { for (let i = 0; i < 1e5; i++); }, 20)";

t.test('a silent QEMU whose guest runs is at work, one whose vCPUs do nothing is not', async (t) => {
  const busy = await idleVm(t, [process.execPath, '-e', working]);
  await startFakeQmp(t, qemuFiles(busy.paths).qmp, { answer: () => silent });
  t.strictSame(await observeQemu(busy, 2000), {
    state: 'unresponsive',
    reason: 'QEMU does not answer within 2000 ms, but its vCPUs are at work',
    atWork: true,
  });
  const hanging = await idleVm(t, idling('echo "CPU 0/TCG" >/proc/$$/comm; '));
  await startFakeQmp(t, qemuFiles(hanging.paths).qmp, { answer: () => silent });
  const hangs = { state: 'unresponsive', reason: 'QEMU does not answer within 1000 ms, and its vCPUs do nothing' };
  t.strictSame(await observeQemu(hanging, 1000), hangs);
  t.strictSame(await observeQemu(hanging, 1000, { patient: true }), hangs, 'the same words after a longer look');
});

t.test('a silence is waited for once, unless it is looked at again on purpose', async (t) => {
  const ref = await idleVm(t);
  await startFakeQmp(t, qemuFiles(ref.paths).qmp, { answer: () => silent });
  t.match(await observeQemu(ref, 1000), { reason: /within 1000 ms/ });
  // Whoever waited for it again would not see the end of the test.
  t.match(await observeQemu(ref, 3_600_000), { reason: /within 3600000 ms/ });
});

t.test('a QEMU that answers late is seen by a patient look', async (t) => {
  const ref = await idleVm(t);
  const late = (request: FakeRequest, socket: Socket): unknown => {
    setTimeout(() => {
      if (!socket.destroyed)
        socket.write(`${JSON.stringify({ return: answered('running')(request) ?? {}, id: request.id })}\n`);
    }, 1500);
    return silent;
  };
  await startFakeQmp(t, qemuFiles(ref.paths).qmp, { answer: late });
  t.match(await observeQemu(ref, 1000), { state: 'unresponsive' });
  t.match(await observeQemu(ref, 1000, { patient: true }), { state: 'running' });
});
