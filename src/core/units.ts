// Sizes and durations as users write them, exact in both directions.

const sizeUnits: readonly (readonly [string, number])[] = [
  ['TiB', 2 ** 40],
  ['TB', 1e12],
  ['GiB', 2 ** 30],
  ['GB', 1e9],
  ['MiB', 2 ** 20],
  ['MB', 1e6],
  ['KiB', 2 ** 10],
  ['KB', 1e3],
  ['B', 1],
];
const sizePattern = /^([0-9]{1,16})(?:\.([0-9]{1,3}))? ?([KMGT]i?B|B)$/;
const bytesOf = new Map(sizeUnits);

/**
 * Bytes of a size such as `512MiB`, `1.5GiB` or `500MB`; a number is bytes already.
 * Undefined for anything else, for fractions of a byte, and beyond 2^53.
 */
export function parseSize(text: string | number): number | undefined {
  if (typeof text === 'number') return Number.isSafeInteger(text) && text >= 0 ? text : undefined;
  const match = sizePattern.exec(text);
  const [, whole = '', fraction = '', unit = ''] = match ?? [];
  const factor = bytesOf.get(unit);
  if (factor === undefined) return undefined;
  const scaled = Number(whole + fraction) * factor;
  if (!Number.isSafeInteger(scaled)) return undefined;
  const bytes = scaled / 10 ** fraction.length;
  return Number.isInteger(bytes) ? bytes : undefined;
}

/** Text of a size in `bytes`, in the unit with the fewest digits: `parseSize` gives back exactly the same number. */
export function formatSize(bytes: number): string {
  let best = `${bytes}B`;
  for (const [unit, factor] of sizeUnits) {
    const text = `${bytes / factor}${unit}`;
    if (bytes % factor === 0 && bytes > 0 && text.length < best.length) best = text;
  }
  return best;
}

const durationUnits: readonly (readonly [string, number])[] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
];
const durationPattern =
  /^(?:([0-9]{1,12})d)?(?:([0-9]{1,12})h)?(?:([0-9]{1,12})m)?(?:([0-9]{1,12})s)?(?:([0-9]{1,12})ms)?$/;

/** Milliseconds of a duration such as `30s`, `4h` or `1h30m`, units in falling order; undefined for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text);
  if (match === null || text === '') return undefined;
  const ms = durationUnits.reduce((sum, [, factor], at) => sum + Number(match[at + 1] ?? 0) * factor, 0);
  return Number.isSafeInteger(ms) ? ms : undefined;
}

/** Text of a duration in whole `ms`: `parseDuration` gives back exactly the same number. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const [unit, factor] of durationUnits) {
    const count = Math.floor(rest / factor);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * factor;
  }
  return text === '' ? '0s' : text;
}
