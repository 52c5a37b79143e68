// A guest cannot fill the host by its logs: the watcher of a sandbox keeps the end of each, and readers find it.
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { followLog } from '../../src/cli/follow-log.ts';
import { lastLineOf, readLogEnd } from '../../src/host/log-end.ts';
import { openWatcher } from '../../src/host/space.ts';
import { until } from '../support/program-host.ts';
import { spaceOptions } from '../support/test-space.ts';

const mebibyte = 2 ** 20;

/** A log with numbered lines of 1 KiB, held open as its writer does; gone at the end of the test. */
function makeLog(t: Test, path: string, flags: 'a' | 'w', kibibytes: number) {
  const file = openSync(path, flags, 0o600);
  t.teardown(() => closeSync(file));
  let count = 0;
  const write = (kib: number): void => {
    const lines = Array.from({ length: kib }, () => `line ${(count++).toString().padEnd(1018, '.')}\n`);
    writeSync(file, lines.join(''));
  };
  write(kibibytes);
  return { write, last: (): string => `line ${count - 1}`, taken: (): number => statSync(path).blocks * 512 };
}

async function read(path: string, lines?: number): Promise<string> {
  let text = '';
  const write = async (chunk: Uint8Array): Promise<boolean> => {
    text += Buffer.from(chunk).toString();
    return true;
  };
  const { signal } = new AbortController();
  await followLog(path, { ...(lines === undefined ? {} : { lines }), follow: false, write, signal });
  return text;
}

t.test('of a log that grows without end the watcher keeps the last megabytes', async (t) => {
  const options = spaceOptions(t);
  mkdirSync(join(options.home, 'vms/a'), { recursive: true });
  // QEMU appends, Cloud Hypervisor writes on where it was.
  for (const flags of ['a', 'w'] as const) {
    const path = join(options.home, `vms/a/${flags}.log`);
    const log = makeLog(t, path, flags, 40 * 1024);
    const small = makeLog(t, join(options.home, 'vms/a/small.log'), 'w', 1024);
    const { holder } = await openWatcher(options);
    await until('the log takes less', () => {
      if (holder !== undefined) process.kill(holder.pid, 'SIGCONT');
      return log.taken() <= 9 * mebibyte;
    });
    t.ok(log.taken() >= 7 * mebibyte, 'its end is kept');
    log.write(3);
    t.match(await lastLineOf(path), log.last(), 'what is written afterwards is at its end');
    const whole = await read(path);
    t.match(whole, /^line \d+\.+\n/, 'a reader begins with a whole line');
    t.notMatch(whole, /\0/, 'and meets no hole');
    t.ok(
      whole.endsWith(
        readFileSync(path)
          .subarray(-5 * mebibyte)
          .toString(),
      ),
      'nothing is missing after it',
    );
    t.match(await read(path, 2), /^line \d+\.+\nline \d+\.+\n$/);
    t.equal(small.taken() >= mebibyte, true, 'a short one is left alone');
  }
});

t.test('the end of a log is read without reading all of it', async (t) => {
  const path = join(t.testdir(), 'huge.log');
  const file = openSync(path, 'w');
  writeSync(file, 'last\n', 2 ** 40);
  closeSync(file);
  t.equal(await lastLineOf(path), 'last');
  t.equal(await readLogEnd(path, 100), 'last\n');
  t.equal(await readLogEnd(join(path, '..', 'none.log'), 100), '');
});
