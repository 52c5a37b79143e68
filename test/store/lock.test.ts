import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { acquireLock, type Lock, readLockOwner } from '../../src/store/lock.ts';
import { asNobody } from '../support/nobody.ts';
import { temporaryHome } from '../support/temp-home.ts';

const owner = { user: 'ada', command: 'sbx apply -f x' };
const once = { timeoutMs: 0, owner };

async function mustLock(t: Test, path: string): Promise<Lock> {
  const lock = await acquireLock(path, once);
  if (!lock.ok) throw new TypeError(lock.diagnostics[0].detail);
  t.teardown(() => lock.value.release());
  return lock.value;
}

/** A process that takes the lock, says so, runs `extra` and stays. */
async function holder(t: Test, path: string, extra = ''): Promise<{ child: ChildProcess; said: string }> {
  const code = `
    import { acquireLock } from ${JSON.stringify(new URL('../../src/store/lock.ts', import.meta.url).href)};
    import { spawn } from 'node:child_process';
    const lock = await acquireLock(${JSON.stringify(path)}, { timeoutMs: 5000, owner: { user: 'bob', command: 'sbx destroy' } });
    ${extra}
    console.log(lock.ok ? 'locked' : 'failed');
    setInterval(() => lock, 1000);`;
  const script = join(path, '..', `holder-${Math.random().toString(36).slice(2)}.mts`);
  writeFileSync(script, code);
  const child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env['PATH'] },
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  for await (const chunk of child.stdout ?? []) {
    said += chunk;
    if (said.includes('locked\n') || said.includes('failed\n')) break;
  }
  return { child, said };
}

t.test('one at a time, and the second is told who is first', async (t) => {
  const path = join(temporaryHome(t).state, 'state', 'a.lock');
  const lock = await mustLock(t, path);
  const second = await acquireLock(path, once);
  const detail = new RegExp(`process ${process.pid} of ada since \\d{4}-.*: sbx apply -f x`);
  t.match(second, { ok: false, diagnostics: [{ code: 'SBX4001', detail }] });
  t.match(await readLockOwner(path), { pid: process.pid, ...owner });
  lock.release();
  lock.release();
  t.equal(await readLockOwner(path), undefined);
  await mustLock(t, path);
});

t.test('a lock that nobody ever took has no owner, and looking makes no file', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  t.equal(await readLockOwner(path), undefined);
  t.notOk(existsSync(path));
});

t.test('whoever waits gets the lock when it is released', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  const lock = await mustLock(t, path);
  let waitsFor: unknown;
  const waiting = acquireLock(path, {
    timeoutMs: 10_000,
    owner: { user: 'bob', command: 'sbx plan' },
    onWait: (of) => {
      waitsFor = of;
      lock.release();
    },
  });
  const got = await waiting;
  t.ok(got.ok);
  t.match(waitsFor, owner);
  t.match(await readLockOwner(path), { user: 'bob' });
  if (got.ok) got.value.release();
});

t.test('waiting ends at the time limit and on a signal', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  await mustLock(t, path);
  const started = performance.now();
  t.match(await acquireLock(path, { timeoutMs: 120, owner }), { ok: false });
  t.ok(performance.now() - started >= 120);
  const abort = new AbortController();
  const waiting = acquireLock(path, {
    timeoutMs: 60_000,
    owner,
    signal: abort.signal,
    onWait: () => abort.abort('stop'),
  });
  t.equal(await waiting.catch((reason) => reason), 'stop');
});

t.test('the lock dies with a killed process', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  const { child, said } = await holder(t, path);
  t.equal(said, 'locked\n');
  t.match(await readLockOwner(path), { pid: child.pid, user: 'bob', command: 'sbx destroy' });
  t.match(await acquireLock(path, once), { ok: false, diagnostics: [{ detail: /of bob since .*sbx destroy/ }] });
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  t.equal(await readLockOwner(path), undefined, 'what it wrote into the file counts no more');
  await mustLock(t, path);
});

t.test('a detached child does not inherit the lock', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  const extra = `const kept = spawn('sleep', ['60'], { detached: true, stdio: 'ignore' }); console.log('child', kept.pid);`;
  const { child, said } = await holder(t, path, extra);
  const kept = Number(/child (\d+)/.exec(said)?.[1]);
  t.teardown(() => process.kill(kept, 'SIGKILL'));
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  t.ok(existsSync(`/proc/${kept}`), 'the child lives');
  await mustLock(t, path);
});

t.test('a lock file that was removed and made again is another lock', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  await mustLock(t, path);
  rmSync(path);
  const second = await acquireLock(path, once);
  t.ok(second.ok);
  t.ok(existsSync(path));
  if (second.ok) second.value.release();
});

t.test('a lock that is won on a removed file is tried again on the new one', async (t) => {
  const { state } = temporaryHome(t);
  const path = join(state, 'a.lock');
  // As if a destroy ended between opening the file and locking it.
  const flock = `#!/bin/sh\nif [ ! -e ${state}/once ]; then touch ${state}/once; rm ${path}; fi\nexec /usr/bin/flock "$@"\n`;
  writeFileSync(join(state, 'flock'), flock, { mode: 0o700 });
  withPath(t, `${state}:${process.env['PATH']}`);
  const got = await acquireLock(path, { timeoutMs: 10_000, owner });
  t.ok(got.ok);
  t.ok(existsSync(join(state, 'once')));
  t.match(JSON.parse(readFileSync(path, 'utf8')), owner, 'the file that is there is the one that is held');
  if (got.ok) got.value.release();
});

t.test('of twenty that try at once exactly one wins', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  const tries = await Promise.all(Array.from({ length: 20 }, () => acquireLock(path, once)));
  const won = tries.flatMap((one) => (one.ok ? [one.value] : []));
  t.equal(won.length, 1);
  for (const lock of won) lock.release();
});

t.test('a folder that cannot be written is an error that says so', async (t) => {
  const { state } = temporaryHome(t);
  chmodSync(state, 0o500);
  const locking = (): Promise<unknown> => acquireLock(join(state, 'a.lock'), once);
  await asNobody([state], () => t.rejects(locking(), { code: 'SBX4008' }));
});

t.test('without flock(1) the error names its package', async (t) => {
  const path = join(temporaryHome(t).state, 'a.lock');
  withPath(t, '/nowhere');
  await t.rejects(acquireLock(path, once), { code: 'SBX6001', hint: /util-linux/ });
});

function withPath(t: Test, path: string): void {
  const before = process.env['PATH'];
  t.teardown(() => {
    process.env['PATH'] = before;
  });
  process.env['PATH'] = path;
}
