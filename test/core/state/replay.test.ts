import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import type { Address } from '../../../src/core/address.ts';
import { checkState } from '../../../src/core/state/check-state.ts';
import type { JournalRecord } from '../../../src/core/state/journal.ts';
import { replay } from '../../../src/core/state/replay.ts';
import { anyHeader, anyRecords, anyState } from '../../support/state-arbitraries.ts';
import { headerFor, layoutOf, stateOf, temporaryHome, volumeRecord } from '../../support/temp-home.ts';

const pg = 'volume.pg' as Address;

t.test('records change the state step by step', async (t) => {
  const layout = layoutOf(temporaryHome(t));
  const record = volumeRecord('pg');
  const pending = { step: 's', op: 'volume.create' };
  const begin: JournalRecord = { type: 'begin', ...pending, address: pg, record };
  const again: JournalRecord = { type: 'begin', step: 'g', op: 'volume.grow', address: pg };
  const cases: { name: string; records: JournalRecord[]; want: unknown }[] = [
    { name: 'nothing', records: [], want: [] },
    { name: 'begin stores the record and marks it', records: [begin], want: [{ ...record, pending }] },
    {
      name: 'begin without a record marks the one that is there',
      records: [begin, again],
      want: [{ ...record, pending: { step: 'g', op: 'volume.grow' } }],
    },
    { name: 'begin without any record changes nothing', records: [again], want: [] },
    {
      name: 'done clears the mark and patches',
      records: [
        begin,
        {
          type: 'done',
          step: 's',
          address: pg,
          after: { type: 'patched', status: 'deleting', attrs: { protect: true }, facts: { path: '/x' } },
        },
      ],
      want: [{ ...record, status: 'deleting', attrs: { sizeBytes: 1, protect: true }, facts: { path: '/x' } }],
    },
    {
      name: 'done of another step leaves the mark',
      records: [begin, { type: 'done', step: 'other', address: pg, after: { type: 'patched' } }],
      want: [{ ...record, pending }],
    },
    {
      name: 'failed leaves the mark',
      records: [begin, { type: 'failed', step: 's', address: pg, reason: 'full' }],
      want: [{ ...record, pending }],
    },
    {
      name: 'removed takes the record away',
      records: [begin, { type: 'done', step: 's', address: pg, after: { type: 'removed' } }],
      want: [],
    },
  ];
  for (const { name, records, want } of cases) {
    t.strictSame(replay(stateOf(layout), records).resources, want, name);
  }
  t.strictSame(replay(stateOf(layout), [{ type: 'close', outputs: { a: { value: 1 } } }]).outputs, { a: { value: 1 } });
});

t.test('a journal without a state makes one from its header', async (t) => {
  const layout = layoutOf(temporaryHome(t));
  t.strictSame(replay(undefined, [headerFor(layout)]), { ...stateOf(layout), sbx_version: '' });
  t.equal(replay(undefined, []), undefined);
  t.equal(replay(undefined, [{ type: 'close', outputs: {} }]), undefined);
});

t.test('any prefix of a journal gives a valid state', async (t) => {
  const property = fc.property(
    fc.option(anyState, { nil: undefined }),
    anyHeader,
    anyRecords,
    (state, header, rest) => {
      const records = [header, ...rest];
      for (let end = 1; end <= records.length; end++) {
        const checked = checkState(replay(state, records.slice(0, end)));
        if (!checked.ok) return false;
      }
      return true;
    },
  );
  t.doesNotThrow(() => fc.assert(property, { numRuns: 150 }));
});

t.test('two parts replayed one after the other are the whole', async (t) => {
  const property = fc.property(
    fc.option(anyState, { nil: undefined }),
    anyHeader,
    anyRecords,
    fc.nat({ max: 26 }),
    (state, header, rest, cut) => {
      const records = [header, ...rest];
      const parts = replay(replay(state, records.slice(0, cut)), records.slice(cut));
      return isDeepStrictEqual(parts, replay(state, records));
    },
  );
  t.doesNotThrow(() => fc.assert(property, { numRuns: 200 }));
});

t.test('replay touches neither the state nor the records it is given', async (t) => {
  const property = fc.property(anyState, anyRecords, (state, records) => {
    const before = JSON.stringify([state, records]);
    replay(state, records);
    return JSON.stringify([state, records]) === before;
  });
  t.doesNotThrow(() => fc.assert(property, { numRuns: 100 }));
});

t.test('a step that still has to follow stays pending until it is done', async (t) => {
  const layout = layoutOf(temporaryHome(t));
  const address = 'volume.pg' as Address;
  const pending = { step: 'b', op: 'y' };
  const begun = replay(stateOf(layout), [
    { type: 'begin', step: 'a', op: 'x', address, record: volumeRecord('pg') },
    { type: 'done', step: 'a', address, after: { type: 'patched', pending } },
  ]);
  t.strictSame(begun.resources[0]?.pending, pending);
  const after = replay(begun, [{ type: 'done', step: 'b', address, after: { type: 'patched' } }]);
  t.equal(after.resources[0]?.pending, undefined);
});

t.test('what a step says is true no more is forgotten, and nothing else', async (t) => {
  const layout = layoutOf(temporaryHome(t));
  const address = 'volume.pg' as Address;
  const process = { pid: 1, startTime: '2', bootId: '3' };
  const after = replay(stateOf(layout), [
    { type: 'begin', step: 'a', op: 'x', address, record: volumeRecord('pg') },
    { type: 'done', step: 'a', address, after: { type: 'patched', facts: { process, vmmVersion: '53.0' } } },
    { type: 'done', step: 'b', address, after: { type: 'patched', drops: ['process'] } },
  ]);
  t.strictSame(after.resources[0]?.facts, { vmmVersion: '53.0' });
});
