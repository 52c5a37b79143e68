// How ssh ended, read out of logs as OpenSSH 9 writes them.
import t from 'tap';
import { isConnected, readSshEnd } from '../../src/guest/ssh-end.ts';

const connected = [
  'OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19 27 Jan 2026',
  'debug1: Connecting to 10.0.0.2 [10.0.0.2] port 22.',
  'debug1: Connection established.',
  'debug1: Remote protocol version 2.0, remote software version dropbear_2022.83',
];
const inside = [...connected, 'Authenticated to 10.0.0.2 ([10.0.0.2]:22) using "publickey".'];
const channel = (words: string): string => `debug1: client_input_channel_req: channel 0 rtype ${words} reply 0`;
const transferred = 'Transferred: sent 2632, received 1920 bytes, in 0.1 seconds';

const cases: readonly {
  readonly name: string;
  readonly code: number;
  readonly log: readonly string[];
  readonly want: object;
}[] = [
  { name: 'a code of a command', code: 7, log: [], want: { type: 'ended', code: 7 } },
  {
    name: 'a command that ended with 255',
    code: 255,
    log: [...inside, channel('exit-status'), transferred, 'debug1: Exit status 255'],
    want: { type: 'ended', code: 255 },
  },
  {
    name: 'a shell that a signal ended',
    code: 255,
    log: [...inside, channel('exit-signal'), transferred, 'debug1: Exit status -1'],
    want: { type: 'lost' },
  },
  {
    name: 'nobody there',
    code: 255,
    log: [connected[0] ?? '', 'ssh: connect to host 10.0.0.2 port 22: No route to host'],
    want: { type: 'unreached', why: 'ssh: connect to host 10.0.0.2 port 22: No route to host' },
  },
  {
    name: 'one that hangs up at once',
    code: 255,
    log: [...connected, 'kex_exchange_identification: read: Connection reset by peer'],
    want: { type: 'unreached', why: 'kex_exchange_identification: read: Connection reset by peer' },
  },
  {
    name: 'a key that is not taken',
    code: 255,
    log: [...connected, 'root@10.0.0.2: Permission denied (publickey).'],
    want: { type: 'refused', why: 'root@10.0.0.2: Permission denied (publickey).' },
  },
  {
    name: 'another host',
    code: 255,
    log: [...connected, 'No ED25519 host key is known for sbx-guest.', 'Host key verification failed.'],
    want: { type: 'refused', why: 'Host key verification failed.' },
  },
  {
    name: 'a guest that went away',
    code: 255,
    log: [...inside, 'Connection to 10.0.0.2 closed by remote host.', transferred, 'debug1: Exit status -1'],
    want: { type: 'broke', why: 'Connection to 10.0.0.2 closed by remote host.' },
  },
  { name: 'no log at all', code: 255, log: [], want: { type: 'unreached', why: 'ssh ended without a word' } },
];

t.test('255 is the command’s where the log says so, and ssh’s own otherwise', async (t) => {
  for (const { name, code, log, want } of cases) t.strictSame(readSshEnd(code, log.join('\r\n')), want, name);
});

t.test('whoever has answered is not waited for', async (t) => {
  t.ok(isConnected(connected.join('\n')));
  t.notOk(isConnected(connected.slice(0, 2).join('\n')));
});
