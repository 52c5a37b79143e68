// Figures, each beside what it is measured against: as a table for people and as JSON.

/** One figure and its floor or peer. */
export interface Row {
  /** Stage that measured it, as `--only` takes it */
  readonly stage: string;
  readonly name: string;
  readonly unit: 'ms' | 'MiB';
  readonly value: number;
  /** What it is compared with; absent where the peer is not on this machine */
  readonly floor?: { readonly name: string; readonly value: number };
  /** Highest ratio of value to floor that is fine */
  readonly target?: number;
}

/** A row that could not be measured, and why. */
export interface Missing {
  readonly stage: string;
  readonly name: string;
  readonly reason: string;
}

export type Outcome = 'ok' | 'missed' | 'no target' | 'no peer';

/** Ratio of a row, rounded up to hundredths; undefined without a floor. */
export function ratioOf(row: Row): number | undefined {
  return row.floor === undefined ? undefined : row.value / row.floor.value;
}

/** Whether a row reaches its target. */
export function outcomeOf(row: Row): Outcome {
  const ratio = ratioOf(row);
  if (ratio === undefined) return 'no peer';
  if (row.target === undefined) return 'no target';
  return ratio <= row.target ? 'ok' : 'missed';
}

/** The rows as a table of plain text. */
export function formatTable(rows: readonly Row[]): string {
  const cells = [
    ['figure', 'sbx', 'beside', 'floor', 'ratio', 'target', ''],
    ...rows.map((row) => [
      row.name,
      formatValue(row.value, row.unit),
      row.floor?.name ?? '-',
      row.floor === undefined ? '-' : formatValue(row.floor.value, row.unit),
      ratioOf(row)?.toFixed(2) ?? '-',
      row.target?.toFixed(2) ?? '-',
      outcomeOf(row),
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((line) => line[column]?.length ?? 0))) ?? [];
  return cells
    .map((line) =>
      line
        .map((cell, column) =>
          isNumeric(column) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function isNumeric(column: number): boolean {
  return column === 1 || (column >= 3 && column <= 5);
}

function formatValue(value: number, unit: Row['unit']): string {
  if (unit === 'MiB') return `${value.toFixed(0)} MiB`;
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return value >= 100 ? `${value.toFixed(0)} ms` : `${value.toFixed(1)} ms`;
}
