// Sizes, durations and counts for reading: rounded. The exact ones of the file are in core/units.

const sizes = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
] as const;

/** `1.4 GiB`: rounded, for reading only. */
export function roughBytes(bytes: number): string {
  const unit = sizes.find(([, size]) => bytes >= size);
  if (unit === undefined) return `${bytes} B`;
  const value = bytes / unit[1];
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${unit[0]}`;
}

/** `0.4 s`, `12 s`, `3m 05s`, `2h 07m`, `3d 4h`: rounded, for reading only. */
export function roughDuration(ms: number): string {
  if (ms < 9950) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours}h ${two(minutes % 60)}m` : `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** `about 6 s`: an expectation, in whole seconds. */
export function aboutDuration(ms: number): string {
  return ms < 1000 ? 'under a second' : `about ${roughDuration(Math.round(ms / 1000) * 1000).replace('.0 ', ' ')}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** `1 VM`, `3 VMs`. */
export function counted(count: number, noun: string, plural: string = `${noun}s`): string {
  return `${count} ${count === 1 ? noun : plural}`;
}
