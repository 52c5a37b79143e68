import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import {
  findProcesses,
  isAlive,
  isEnding,
  isRunning,
  parseStat,
  readStat,
  spawnDetached,
} from '../../src/host/processes.ts';

t.test('programs that are started side by side have umask 077, and ours stays as it was', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-proc-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const before = process.umask(0o022);
  t.teardown(() => process.umask(before));
  // What is detached keeps no test alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const logs = Array.from({ length: 8 }, (_, index) => join(folder, String(index)));
  const started = await Promise.all(logs.map((logPath) => spawnDetached(['sh', '-c', 'umask'], { logPath })));
  for (const { exited } of started) t.equal(await exited, 0);
  for (const log of logs) t.equal(readFileSync(log, 'utf8').trim(), '0077');
  t.equal(process.umask(), 0o022);
});

t.test('a program that is not there is named', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-proc-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const before = process.umask();
  const started = spawnDetached(['/missing/program'], { logPath: join(folder, 'log') });
  await t.rejects(started, { code: 'SBX6001', message: /cannot run \/missing\/program/ });
  t.equal(process.umask(), before);
});

t.test('a line of /proc/PID/stat tells how far a process is', async (t) => {
  const line = (name: string, state: string, flags: number, threads: number): string =>
    `4711 (${name}) ${state} 42 1 1 0 -1 ${flags} 1 2 3 4 5 6 7 8 20 0 ${threads} 0 98765 1 2 3\n`;
  const all = { parent: 42, startTime: '98765' };
  const cases: readonly (readonly [string, string, object])[] = [
    ['at work', line('qemu-system-x86', 'S', 0x400000, 4), { ...all, dead: false, exiting: false, stopped: false }],
    [
      'with a name like a field',
      line('a) R 1 (b', 'R', 0x400000, 1),
      { ...all, dead: false, exiting: false, stopped: false },
    ],
    ['on its way out', line('sh', 'D', 0x400004, 1), { ...all, dead: false, exiting: true, stopped: false }],
    [
      'without its first thread',
      line('qemu-system-x86', 'Z', 0x40000c, 3),
      { ...all, dead: false, exiting: true, stopped: false },
    ],
    ['waiting for its parent', line('sh', 'Z', 0x40000c, 1), { ...all, dead: true, exiting: true, stopped: false }],
    ['held', line('sh', 'T', 0x400000, 1), { ...all, dead: false, exiting: false, stopped: true }],
    ['taken away', line('sh', 'X', 0x40000c, 0), { ...all, dead: true, exiting: true, stopped: false }],
  ];
  for (const [name, text, want] of cases) t.strictSame(parseStat(text), want, name);
});

t.test('a process at work is not ending, one that was killed is', async (t) => {
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  const { exited, ...ref } = await spawnDetached(['sleep', '600'], { logPath: '/dev/null' });
  t.ok(isAlive(ref) && isRunning(ref));
  t.notOk(await isEnding(ref));
  process.kill(ref.pid, 'SIGKILL');
  await exited;
  t.ok(await isEnding(ref));
  t.notOk(isAlive(ref) || isRunning(ref));
  t.equal(readStat(ref.pid), undefined);
});

t.test('a child that still has the words of its parent is not found beside it', async (t) => {
  const mark = `mark-${process.pid}`;
  const words = ['sh', '-c', '(sleep 600; :) & wait', mark];
  const { exited: _, ...ref } = await spawnDetached(words, { logPath: '/dev/null' });
  // The session that spawnDetached made is a group of its own.
  t.teardown(() => process.kill(-ref.pid, 'SIGKILL'));
  const children = (): string => readFileSync(`/proc/${ref.pid}/task/${ref.pid}/children`, 'utf8').trim();
  while (children() === '') await new Promise(setImmediate);
  t.equal(readFileSync(`/proc/${children()}/cmdline`, 'utf8'), readFileSync(`/proc/${ref.pid}/cmdline`, 'utf8'));
  t.strictSame(
    findProcesses((argv) => argv.includes(mark)),
    [ref],
  );
});
