import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { hasReader, isListening, servedIn } from '../../src/host/listening.ts';
import { mayBeSignalled, pidNamespace } from '../../src/host/process-view.ts';
import { presenceOf, refOf } from '../../src/host/processes.ts';
import { whyNoOtherUser } from '../support/other-user.ts';

const self = refOf(process.pid);

t.test('a process is told by its pid, start, boot and pid namespace', async (t) => {
  if (self === undefined) throw new TypeError('this process is not there');
  t.match(self.pidns, /^\d+$/);
  t.equal(self.pidns, pidNamespace());
  t.equal(presenceOf(self), 'here');
  t.equal(presenceOf({ ...self, startTime: '1' }), 'gone', 'its pid is another process now');
  t.equal(presenceOf({ ...self, bootId: 'other' }), 'gone');
  t.equal(presenceOf({ ...self, pidns: '1' }), 'elsewhere');
  t.equal(presenceOf({ ...self, pidns: '1', bootId: 'other' }), 'gone', 'no namespace outlives its boot');
  const { pidns: _pidns, ...old } = self;
  t.equal(presenceOf(old), 'here', 'a record of before');
  const { pid: ended } = spawnSync('true');
  t.equal(presenceOf({ ...self, pid: ended }), 'gone');
  t.notOk(mayBeSignalled(ended));
});

// Hidden from its own user: a process that is not dumpable, as programs with file capabilities are and slirp4netns makes itself.
t.test('a process of ours that /proc hides is hidden, not gone', { skip: whyNoOtherUser }, async (t) => {
  const user = ['setpriv', '--reuid', '12345', '--regid', '12345', '--clear-groups'];
  const [setpriv = '', ...rights] = user;
  // prctl(PR_SET_DUMPABLE, 0)
  const perl = ['perl', '-e', '$| = 1; syscall(157, 4, 0, 0, 0, 0); print "ready\\n"; sleep 600'];
  const child = spawn(setpriv, [...rights, ...perl], { stdio: ['ignore', 'pipe', 'ignore'] });
  t.teardown(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const pid = String(child.pid);
  // What presenceOf asks, put by that user.
  const look = `kill -0 ${pid} && echo signalled; test -e /proc/${pid}/stat || echo unseen`;
  const mount = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"';
  const { stdout } = spawnSync('unshare', ['-m', 'sh', '-c', mount, 'sh', ...user, 'sh', '-c', look], {
    encoding: 'utf8',
  });
  t.equal(stdout, 'signalled\nunseen\n');
});

t.test('who listens or reads is told by the file itself', async (t) => {
  const folder = mkdtempSync('/tmp/lsn-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 's');
  t.notOk(await isListening(path), 'nothing there');
  t.equal(await servedIn(folder), undefined);
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  t.ok(await isListening(path));
  t.equal(await servedIn(folder), path);
  await new Promise((resolve) => server.close(resolve));
  const fifo = join(folder, 'keep');
  spawnSync('mkfifo', [fifo]);
  t.notOk(hasReader(fifo));
  const reader = spawn('sh', ['-c', 'exec 3<>"$0"; echo open; read -r _ <&3', fifo], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  t.teardown(() => reader.kill('SIGKILL'));
  await new Promise((resolve) => reader.stdout.once('data', resolve));
  t.ok(hasReader(fifo));
  t.equal(await servedIn(folder), fifo);
});
