import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holdsFileIn, isOwnProcess } from '../../src/host/own-process.ts';
import { findProcesses } from '../../src/host/processes.ts';
import { impostor, type Whose, whyNoOtherUser } from '../support/other-user.ts';

for (const whose of ['another user', 'setuid'] as const satisfies readonly Whose[]) {
  t.test(`a process of ${whose} is not ours, whatever its words`, { skip: whyNoOtherUser }, async (t) => {
    const word = `word-${process.pid}`;
    const { pid = 0 } = await impostor(t, whose, 'program', [word]);
    t.notOk(isOwnProcess(pid));
    t.strictSame(
      findProcesses((argv) => argv.includes(word)),
      [],
    );
  });
}

t.test('a process of ours holds what it has open, under whatever name and be it removed', async (t) => {
  const root = mkdtempSync('/tmp/own-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  symlinkSync(root, `${root}-link`);
  t.teardown(() => rmSync(`${root}-link`, { force: true }));
  const log = openSync(join(root, 'log'), 'w');
  const child = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', log] });
  closeSync(log);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.once('spawn', resolve));
  const pid = child.pid ?? 0;
  t.ok(isOwnProcess(pid));
  t.ok(holdsFileIn(pid, ['/nowhere', root]));
  t.ok(holdsFileIn(pid, [`${root}-link`]), 'through a link');
  t.notOk(holdsFileIn(pid, ['/nowhere', `${root}-link-not`, root.slice(0, -1)]));
  renameSync(join(root, 'log'), join(root, 'log.1'));
  t.ok(holdsFileIn(pid, [root]));
  rmSync(root, { recursive: true });
  t.ok(holdsFileIn(pid, [root]), 'also when the folder is gone');
  child.kill('SIGKILL');
  await ended;
  t.notOk(isOwnProcess(pid));
  t.notOk(holdsFileIn(pid, [root]));
});
