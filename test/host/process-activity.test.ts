import { spawn } from 'node:child_process';
import t from 'tap';
import {
  type Activity,
  type ActivitySample,
  activityBetween,
  isStopped,
  sampleActivity,
  type ThreadSample,
} from '../../src/host/process-activity.ts';

const idle: ThreadSample = { name: 'vmm', state: 'S', ranMs: 10, waitedMs: 10 };
const vcpu: ThreadSample = { ...idle, name: 'CPU 0/KVM' };
const at = (atMs: number, ...threads: readonly ThreadSample[]): ActivitySample => ({
  atMs,
  threads: new Map(threads.map((thread, index) => [String(index), thread])),
});

const cases: readonly {
  readonly name: string;
  readonly before: readonly ThreadSample[];
  readonly after: readonly ThreadSample[];
  readonly want: Activity;
}[] = [
  { name: 'nothing in a process without vCPUs', before: [idle], after: [{ ...idle, ranMs: 50 }], want: 'unknown' },
  { name: 'nothing at all', before: [idle, vcpu], after: [idle, vcpu], want: 'idle' },
  { name: 'a vCPU that used time', before: [idle, vcpu], after: [idle, { ...vcpu, ranMs: 10.1 }], want: 'guest runs' },
  {
    name: 'a vCPU of Cloud Hypervisor that used time',
    before: [{ ...vcpu, name: 'vcpu12' }],
    after: [{ ...vcpu, name: 'vcpu12', ranMs: 11 }],
    want: 'guest runs',
  },
  {
    name: 'a thread that waited for a CPU a fifth of the time',
    before: [idle, vcpu],
    after: [{ ...idle, ranMs: 20, waitedMs: 210 }, vcpu],
    want: 'starved',
  },
  {
    name: 'a thread that waited for a CPU a little',
    before: [idle, vcpu],
    after: [{ ...idle, ranMs: 20, waitedMs: 200 }, vcpu],
    want: 'idle',
  },
  {
    name: 'a thread that was ready all the time and never ran',
    before: [{ ...idle, state: 'R' }],
    after: [{ ...idle, state: 'R' }],
    want: 'starved',
  },
  {
    name: 'a thread that hangs in the kernel',
    before: [{ ...idle, state: 'D' }, vcpu],
    after: [{ ...idle, state: 'D' }, vcpu],
    want: 'blocked',
  },
  {
    name: 'a thread that began to wait for a disk',
    before: [idle, vcpu],
    after: [{ ...idle, state: 'D' }, vcpu],
    want: 'idle',
  },
  {
    name: 'a process that is stopped, whatever it did before',
    before: [
      { ...idle, state: 'T' },
      { ...vcpu, state: 't' },
    ],
    after: [
      { ...idle, state: 'T' },
      { ...vcpu, state: 'T', ranMs: 20 },
    ],
    want: 'stopped',
  },
  { name: 'a thread that is new', before: [idle], after: [idle, { ...vcpu, ranMs: 1000 }], want: 'unknown' },
];
for (const { name, before, after, want } of cases)
  t.test(`${name}: ${want}`, async (t) => t.equal(activityBetween(at(0, ...before), at(1000, ...after)), want));

t.test('a real process is seen stopped, at work and gone', async (t) => {
  // Works for a moment ten times a second, under the name of a vCPU.
  const script =
    "require('fs').writeFileSync('/proc/self/comm','vcpu0');setInterval(()=>{for(let i=0;i<1e5;i++);},100)";
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  const { pid = 0 } = child;
  const sample = (): ActivitySample => sampleActivity(pid) ?? at(0);
  const names = (): readonly string[] => [...sample().threads.values()].map(({ name }) => name);
  while (!names().includes('vcpu0')) await new Promise(setImmediate);
  const first = sample();
  while (activityBetween(first, sample()) !== 'guest runs') await new Promise(setImmediate);
  child.kill('SIGSTOP');
  while (!isStopped(sample())) await new Promise(setImmediate);
  t.equal(activityBetween(sample(), sample()), 'stopped');
  child.kill('SIGKILL');
  await ended;
  t.equal(sampleActivity(pid), undefined);
});
