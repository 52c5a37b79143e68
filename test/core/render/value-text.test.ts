import t from 'tap';
import type { Json } from '../../../src/core/json.ts';
import type { PlanValue } from '../../../src/core/plan/plan.ts';
import { formatChange } from '../../../src/core/render/value-text.ts';

const absent: PlanValue = { absent: true };
const value = (json: Json): PlanValue => ({ value: json });
const disk = (more: Readonly<Record<string, Json>>): PlanValue => value({ type: 'volume', readonly: false, ...more });

const cases: readonly (readonly [name: string, from: PlanValue, to: PlanValue, want: string])[] = [
  ['what is new stands alone', absent, value('a'), 'a'],
  ['what goes stands alone', value('a'), absent, 'a'],
  ['both of two scalars are shown', value(1), value(2), '1 → 2'],
  ['a secret never shows', { sensitive: true }, value('a'), '(sensitive) → a'],
  ['two secrets do not show either', { sensitive: true }, { sensitive: true }, '(sensitive, changes)'],
  ['of two records only what differs', disk({ volume: 'pg' }), disk({ volume: 'log' }), '{ volume: pg → log }'],
  ['sizes have units', disk({ sizeBytes: 2 ** 30 }), disk({ sizeBytes: 2 ** 31 }), '{ size: 1GiB → 2GiB }'],
  ['times have units', value({ timeoutMs: 90_000 }), value({ timeoutMs: 1000 }), '{ timeout: 1m30s → 1s }'],
  ['no size is said', disk({ sizeBytes: null }), disk({ sizeBytes: 2 ** 30 }), '{ size: (none) → 1GiB }'],
  ['a member of one side only', value({ a: 1 }), value({ b: 1 }), '{ a: 1 → (none), b: (none) → 1 }'],
  ['a record that is new is whole', absent, disk({ sizeBytes: 1024 }), '{ type: volume, readonly: false, size: 1KiB }'],
  ['a record and a list are both whole', value({ a: 1 }), value([1, 'b c']), '{ a: 1 } → [1, b c]'],
  ['control characters do not reach the terminal', absent, value({ 'a\u001b[1m': 'x\u0007' }), '{ a: x }'],
];

for (const [name, from, to, want] of cases) {
  t.test(name, async (t) => {
    t.equal(formatChange(from, to), want);
  });
}
