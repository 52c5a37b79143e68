// States of older formats: brought forward one version after the other, and those of newer ones left alone.
import t from 'tap';
import { type Migration, migrateState, stateFormat } from '../../../src/core/state/migrate.ts';

/** A made-up history: 1 → 2 renames a member, 2 → 3 adds one that looks at it. */
const history: readonly Migration[] = [
  ({ box: name, ...rest }) => ({ ...rest, name }),
  (state) => ({ ...state, title: `sandbox ${state['name']}` }),
];

const cases = [
  { name: 'the oldest', given: { format_version: 1, box: 'shop', serial: 4 }, from: 1 },
  { name: 'one in between', given: { format_version: 2, name: 'shop', serial: 4 }, from: 2 },
  { name: 'the current', given: { format_version: 3, name: 'shop', serial: 4, title: 'sandbox shop' }, from: 3 },
];
for (const { name, given, from } of cases) {
  t.test(`${name} becomes the current format, and is itself left as it was`, async (t) => {
    const before = structuredClone(given);
    const document = { format_version: 3, name: 'shop', serial: 4, title: 'sandbox shop' };
    t.strictSame(migrateState(given, history), { outcome: 'current', document, from });
    t.strictSame(given, before);
  });
}

t.test('what only a newer sbx knows is told by its version', async (t) => {
  t.strictSame(migrateState({ format_version: 4 }, history), { outcome: 'newer', version: 4 });
  t.strictSame(migrateState({ format_version: stateFormat + 1 }), { outcome: 'newer', version: stateFormat + 1 });
});

t.test('what has no version is no state', async (t) => {
  for (const json of [null, 'x', [], {}, { format_version: '1' }, { format_version: 0 }, { format_version: 1.5 }])
    t.strictSame(migrateState(json, history), { outcome: 'unknown' }, JSON.stringify(json));
});
