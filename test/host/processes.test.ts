import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { spawnDetached } from '../../src/host/processes.ts';

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
