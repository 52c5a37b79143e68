import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { Json } from '../../../src/core/json.ts';
import { checkRecord, checkState } from '../../../src/core/state/check-state.ts';
import type { ResourceRecord, State } from '../../../src/core/state/state.ts';
import { formatState } from '../../../src/core/state/state-text.ts';
import { anyHeader, anyRecord, anyState } from '../../support/state-arbitraries.ts';
import { strictValidator } from '../../support/strict-schema.ts';
import { layoutOf, stateOf, temporaryHome, volumeRecord } from '../../support/temp-home.ts';

t.test('every state goes through its text and the check unchanged', async (t) => {
  const property = fc.property(anyState, (state) => {
    const checked = checkState(JSON.parse(formatState(state)));
    return checked.ok && isDeepStrictEqual(checked.value, JSON.parse(JSON.stringify(state)));
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 300 }));
});

t.test('the schemas name every member of states and records', async (t) => {
  const [state, record] = [strictValidator('state'), strictValidator('journal')];
  const states = fc.property(anyState, (value) => state(value));
  const records = fc.property(fc.oneof(anyHeader, anyRecord), (value) => record(value));
  t.doesNotThrow(() => fc.assert(states, { numRuns: 300 }));
  t.doesNotThrow(() => fc.assert(records, { numRuns: 300 }));
});

t.test('what is no state is refused, with the place', async (t) => {
  const record = volumeRecord('pg');
  const good = JSON.parse(JSON.stringify(stateOf(layoutOf(temporaryHome(t)), [record]))) as Record<string, Json>;
  t.ok(checkState(good).ok);
  const resource = (change: object) => ({ ...good, resources: [{ ...record, ...change }] });
  const cases: { name: string; json: unknown; code: string; says: string }[] = [
    { name: 'nothing', json: undefined, code: 'SBX4002', says: 'no format_version' },
    { name: 'a list', json: [], code: 'SBX4002', says: 'no format_version' },
    { name: 'no version', json: { ...good, format_version: undefined }, code: 'SBX4002', says: 'no format_version' },
    { name: 'version 0', json: { ...good, format_version: 0 }, code: 'SBX4002', says: 'no format_version' },
    { name: 'a newer version', json: { format_version: 2 }, code: 'SBX4003', says: 'format 2' },
    { name: 'no serial', json: { ...good, serial: undefined }, code: 'SBX4002', says: '"serial" is missing' },
    { name: 'a serial that is text', json: { ...good, serial: '1' }, code: 'SBX4002', says: 'at /serial should be' },
    { name: 'a negative serial', json: { ...good, serial: -1 }, code: 'SBX4002', says: 'at /serial' },
    { name: 'an unknown kind', json: resource({ kind: 'moon' }), code: 'SBX4002', says: '"kind" is "moon"' },
    {
      name: 'another kind than the address',
      json: resource({ address: 'network.pg' }),
      code: 'SBX4002',
      says: '"network.pg" is recorded as a volume',
    },
    {
      name: 'an address that is none',
      json: resource({ address: '../x' }),
      code: 'SBX4002',
      says: '/resources/0/address',
    },
    { name: 'no attributes', json: resource({ attrs: {} }), code: 'SBX4002', says: '/resources/0/attrs' },
    {
      name: 'one address twice',
      json: { ...good, resources: [record, record] },
      code: 'SBX4002',
      says: '"volume.pg" is recorded twice',
    },
  ];
  for (const { name, json, code, says } of cases) {
    const checked = checkState(json, 'F');
    t.match(checked, { ok: false, diagnostics: [{ code }] }, name);
    if (!checked.ok) t.ok(checked.diagnostics[0].detail.includes(says), `${name}: ${checked.diagnostics[0].detail}`);
  }
});

t.test('members that the schema does not know are kept', async (t) => {
  const state = { ...stateOf(layoutOf(temporaryHome(t))), 'x-later': 1 };
  t.match(checkState(state), { ok: true, value: { 'x-later': 1 } });
});

t.test('a record about one address cannot carry another', async (t) => {
  const begin = { type: 'begin', step: 's', op: 'o', address: 'volume.b', record: volumeRecord('a') };
  t.match(checkRecord(begin, false), /"volume\.b" and carries "volume\.a"/);
});

t.test('a state of 5000 VMs is parsed and checked in time', async (t) => {
  const state = { ...stateOf(layoutOf(temporaryHome(t))), resources: Array.from({ length: 5000 }, (_, at) => vm(at)) };
  const text = formatState(state);
  const parsed: State[] = [];
  const times = [1, 2, 3, 4, 5].map(() => {
    const started = process.cpuUsage();
    const json = JSON.parse(text);
    const middle = process.cpuUsage(started).user;
    const checked = checkState(json);
    if (checked.ok) parsed.push(checked.value);
    return { parseMs: middle / 1000, checkMs: process.cpuUsage(started).user / 1000 - middle / 1000 };
  });
  t.equal(parsed.length, 5);
  t.comment(`${(text.length / 1e6).toFixed(1)} MB, CPU: ${JSON.stringify(times)}`);
  t.ok(Math.min(...times.map((time) => time.checkMs)) < 60, 'the check takes less than 60 ms of CPU');
});

function vm(at: number): ResourceRecord {
  return {
    kind: 'vm',
    address: `vm.web[${at}]` as ResourceRecord['address'],
    status: 'ready',
    attrs: {
      image: 'image.base' as ResourceRecord['address'],
      imageDigest: 'd'.repeat(64),
      cmdline: 'console=ttyS0',
      hostname: `web-${at}`,
      cpus: { count: 1, max: 2 },
      memory: { sizeBytes: 1e9, maxBytes: 2e9 },
      disks: { root: { type: 'root', sizeBytes: null } },
      nics: {
        lan: {
          network: 'network.lan' as ResourceRecord['address'],
          ip: '10.0.0.1',
          prefix: 24,
          gateway: '10.0.0.254',
          mac: '02:00:00:00:00:01',
          forwards: [],
        },
      },
      env: { A: '1', B: { sensitive: 'x'.repeat(40) } },
      state: 'running',
      hold: false,
      onExit: 'restart',
      ready: { type: 'tcp', port: 80, timeoutMs: 1000 },
      lifecycle: { preventDestroy: false, ignoreChanges: [], replaceTriggeredBy: [] },
      driver: 'qemu',
    },
    facts: {
      process: { pid: 1, startTime: '2', bootId: 'b'.repeat(36) },
      vmmVersion: '7.2',
      startedAtMs: 1,
    },
    dependsOn: ['image.base' as ResourceRecord['address']],
  };
}
