import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import type { HostPort } from '../../src/core/host-ports.ts';
import { hostFilePath, statesDir } from '../../src/store/home.ts';
import { portKey, readReservations, releasePorts, reservePorts } from '../../src/store/host-file.ts';
import { writeState } from '../../src/store/state-file.ts';
import { layoutOf, stateOf, temporaryHome } from '../support/temp-home.ts';

const [http, https]: [HostPort, HostPort] = [
  { hostIp: '127.0.0.1', hostPort: 8080, protocol: 'tcp' },
  { hostIp: '127.0.0.1', hostPort: 8443, protocol: 'tcp' },
];

t.test('ports belong to the sandbox that reserved them until it gives them up', async (t) => {
  const home = temporaryHome(t);
  for (const name of ['a', 'b']) await writeState(layoutOf(home, name), stateOf(layoutOf(home, name)));
  const reserved = async () => {
    const read = await readReservations(home);
    return Object.fromEntries(read.reserved);
  };
  t.strictSame(await reserved(), {});
  t.notOk(existsSync(hostFilePath(home)), 'reading writes nothing');

  t.ok((await reservePorts(home, 'a', [http])).ok);
  t.ok((await reservePorts(home, 'a', [http, https])).ok, 'again is no error');
  t.strictSame(await reserved(), { [portKey(http)]: 'a', [portKey(https)]: 'a' });

  const udp: HostPort = { ...http, protocol: 'udp' };
  const clash = await reservePorts(home, 'b', [udp, http]);
  t.match(clash, { ok: false, diagnostics: [{ code: 'SBX4010', detail: /127\.0\.0\.1:8080\/tcp .*"a"/ }] });
  t.strictSame(await reserved(), { [portKey(http)]: 'a', [portKey(https)]: 'a' }, 'all or none');
  t.ok((await reservePorts(home, 'b', [udp])).ok, 'another protocol is another port');

  await releasePorts(home, 'b', [http]);
  t.strictSame(await reserved(), { [portKey(http)]: 'a', [portKey(https)]: 'a', [portKey(udp)]: 'b' });
  await releasePorts(home, 'a', [http]);
  t.strictSame(await reserved(), { [portKey(https)]: 'a', [portKey(udp)]: 'b' });
  await releasePorts(home, 'a');
  t.strictSame(await reserved(), { [portKey(udp)]: 'b' });
});

t.test('0.0.0.0 is every address', async (t) => {
  const home = temporaryHome(t);
  const everywhere = { ...http, hostIp: '0.0.0.0' };
  const dual = { ...http, hostIp: '::' };
  for (const [first, second] of [
    [http, everywhere],
    [everywhere, http],
    [http, dual],
    [dual, everywhere],
  ] as const) {
    await writeState(layoutOf(home, 'a'), stateOf(layoutOf(home, 'a')));
    t.ok((await reservePorts(home, 'a', [first])).ok);
    t.match(await reservePorts(home, 'b', [second]), { ok: false, diagnostics: [{ code: 'SBX4010' }] });
    await releasePorts(home, 'a');
  }
});

t.test('what a sandbox without a state reserved is void', async (t) => {
  const home = temporaryHome(t);
  t.ok((await reservePorts(home, 'gone', [http])).ok);
  t.match(await readReservations(home), { reserved: new Map() });
  t.ok((await reservePorts(home, 'b', [http])).ok);
  t.match(JSON.parse(readFileSync(hostFilePath(home), 'utf8')), { ports: { [portKey(http)]: 'b' } });
  // A first apply has a journal only.
  mkdirSync(statesDir(home), { recursive: true });
  writeFileSync(layoutOf(home, 'b').journalPath, '');
  t.match(await readReservations(home), { reserved: new Map([[portKey(http), 'b']]) });
});

t.test('many at once all get their ports', async (t) => {
  const home = temporaryHome(t);
  const ids = Array.from({ length: 8 }, (_, index) => `s${index}`);
  for (const id of ids) await writeState(layoutOf(home, id), stateOf(layoutOf(home, id)));
  await Promise.all(ids.map((id, index) => reservePorts(home, id, [{ ...http, hostPort: 9000 + index }])));
  const read = await readReservations(home);
  t.equal(read.reserved.size, ids.length);
});

t.test('a damaged host.json is told, and the next reservation writes it anew', async (t) => {
  const home = temporaryHome(t);
  for (const text of [
    '',
    '{',
    '[]',
    'null',
    '{"format_version":2,"ports":{}}',
    '{"format_version":1,"ports":{"a":1}}',
  ]) {
    writeFileSync(hostFilePath(home), text);
    t.match(await readReservations(home), { warnings: [{ code: 'SBX4011' }] }, text);
    t.match(await reservePorts(home, 'a', [http]), { ok: true }, text);
    t.match(readFileSync(hostFilePath(home), 'utf8'), /127.0.0.1/);
  }
});
