import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import t from 'tap';
import { formatRecords, parseJournal, parseJournalHeader } from '../../../src/core/state/journal-text.ts';
import { anyHeader, anyRecords } from '../../support/state-arbitraries.ts';
import { beginVolume, headerFor, layoutOf, temporaryHome } from '../../support/temp-home.ts';

t.test('a journal cut at any byte gives the records that were written whole', async (t) => {
  const property = fc.property(
    anyHeader,
    anyRecords,
    fc.double({ min: 0, max: 1, noNaN: true }),
    (header, rest, part) => {
      const records = [header, ...rest];
      const bytes = Buffer.from(formatRecords(records));
      const cut = Math.round(bytes.length * part);
      const parsed = parseJournal(bytes.subarray(0, cut).toString('utf8'), 'J');
      const whole = bytes.subarray(0, cut).filter((byte) => byte === 0x0a).length;
      const want = JSON.parse(JSON.stringify(records.slice(0, whole)));
      return parsed.ok && isDeepStrictEqual(parsed.value, want);
    },
  );
  t.doesNotThrow(() => fc.assert(property, { numRuns: 500 }));
});

t.test('a tail of NUL bytes counts as never written', async (t) => {
  const header = headerFor(layoutOf(temporaryHome(t)));
  const text = formatRecords([header]);
  t.strictSame(parseJournal(`${text}{"type":"be\0\0\0\0`, 'J'), { ok: true, value: [header], warnings: [] });
  t.strictSame(parseJournal(`${text}\0\0\n\0`, 'J'), { ok: true, value: [header], warnings: [] });
});

t.test('an empty or torn first line is no journal', async (t) => {
  const text = formatRecords([headerFor(layoutOf(temporaryHome(t)))]);
  for (const cut of [0, 1, 20, text.length - 1]) {
    t.match(parseJournalHeader(text.slice(0, cut), 'J'), { ok: true, value: undefined });
    t.match(parseJournal(text.slice(0, cut), 'J'), { ok: true, value: [] });
  }
});

t.test('damage is told by its line', async (t) => {
  const header = headerFor(layoutOf(temporaryHome(t)));
  const [open, begin] = [formatRecords([header]), formatRecords([beginVolume('a')])];
  const cases = [
    { name: 'garbage between records', text: `${open}garbage\n${begin}`, code: 'SBX4004', says: /^Line 2 of J/ },
    { name: 'garbage as the last whole line', text: `${open}${begin}garbage\n`, code: 'SBX4004', says: /^Line 3 of J/ },
    { name: 'no header', text: begin, code: 'SBX4004', says: /begins with "open"/ },
    { name: 'two headers', text: open + begin + open, code: 'SBX4004', says: /a second "open"/ },
    { name: 'a record of no known type', text: `${open}{"type":"x"}\n`, code: 'SBX4004', says: /"type" is "x"/ },
    { name: 'an empty line', text: `${open}\n${begin}`, code: 'SBX4004', says: /^Line 2 of J/ },
    {
      name: 'a newer format',
      text: open.replace('"format_version":1', '"format_version":2'),
      code: 'SBX4003',
      says: /newer sbx/,
    },
  ];
  for (const { name, text, code, says } of cases) {
    const parsed = parseJournal(text, 'J');
    t.match(parsed, { ok: false, diagnostics: [{ code, detail: says }] }, name);
  }
});
