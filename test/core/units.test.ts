import fc from 'fast-check';
import t from 'tap';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../src/core/units.ts';

t.test('sizes are read exactly', async (t) => {
  const cases: readonly (readonly [string | number, number | undefined])[] = [
    ['512MiB', 512 * 2 ** 20],
    ['4 GiB', 4 * 2 ** 30],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['500MB', 500_000_000],
    ['7B', 7],
    ['0B', 0],
    [4096, 4096],
    ['0.5B', undefined],
    ['1.0001GiB', undefined],
    ['512', undefined],
    ['512mib', undefined],
    ['-1GiB', undefined],
    ['1e3B', undefined],
    ['9999999999999999TiB', undefined],
    ['', undefined],
    [-1, undefined],
    [0.5, undefined],
    [Number.POSITIVE_INFINITY, undefined],
  ];
  for (const [text, want] of cases) t.equal(parseSize(text), want, String(text));
});

t.test('a size is written in the shortest unit', async (t) => {
  t.equal(formatSize(512 * 2 ** 20), '512MiB');
  t.equal(formatSize(2 ** 30), '1GiB');
  t.equal(formatSize(500_000_000), '500MB');
  t.equal(formatSize(1025), '1025B');
  t.equal(formatSize(0), '0B');
});

t.test('durations are read exactly', async (t) => {
  const cases: readonly (readonly [string, number | undefined])[] = [
    ['30s', 30_000],
    ['4h', 14_400_000],
    ['1h30m', 5_400_000],
    ['2d', 172_800_000],
    ['250ms', 250],
    ['0s', 0],
    ['30m1h', undefined],
    ['1.5h', undefined],
    ['30', undefined],
    ['', undefined],
    ['-1s', undefined],
    ['999999999999d', undefined],
  ];
  for (const [text, want] of cases) t.equal(parseDuration(text), want, text);
  t.equal(formatDuration(5_400_000), '1h30m');
  t.equal(formatDuration(0), '0s');
});

t.test('what is written can be read back', async (t) => {
  const amount = fc.oneof(
    fc.maxSafeNat(),
    fc.nat({ max: 4096 }).map((count) => count * 2 ** 20),
    fc.nat({ max: 4096 }).map((count) => count * 1e6),
  );
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        amount,
        (value) => parseSize(formatSize(value)) === value && parseDuration(formatDuration(value)) === value,
      ),
    ),
  );
});
