// Tables for terminals: aligned columns that give way where the terminal is narrow.
import { cut, padEnd, widthOf } from './paint.ts';

/** One cell: plain text, and how to paint it after it was cut to its width. */
export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

/** One column. Columns that may shrink lose width, down to `min`, when the table is wider than the terminal. */
export interface Column {
  readonly title: string;
  readonly align?: 'right';
  /** Least width when the table must shrink; absent means that it never does */
  readonly min?: number;
  /** Left out, in order of the table, when even the least widths are too much */
  readonly optional?: true;
}

/** Lines of a table with a head; columns without any content are left out. No blanks at the ends of lines. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  paintHead: (text: string) => string,
): readonly string[] {
  const used = droppedToFit(
    columns.flatMap((column, at) => {
      const widest = Math.max(...rows.map((row) => widthOf(textOf(row, at))));
      return widest > 0 ? [{ column, at, wanted: Math.max(widthOf(column.title), widest) }] : [];
    }),
    width,
  );
  const widths = fit(used, width);
  const line = (cells: readonly Cell[]): string =>
    cells
      .map((cell, at) => place(cell, widths[at] ?? 0, used[at]?.column.align))
      .join('  ')
      .trimEnd();
  return [
    line(used.map(({ column }) => ({ text: column.title, paint: paintHead }))),
    ...rows.map((row) => line(used.map(({ at }) => row[at] ?? { text: '' }))),
  ];
}

function textOf(row: readonly Cell[], at: number): string {
  return row[at]?.text ?? '';
}

function place(cell: Cell, width: number, align: Column['align']): string {
  const text = cut(cell.text, width);
  const painted = cell.paint === undefined ? text : cell.paint(text);
  return align === 'right' ? ' '.repeat(Math.max(0, width - widthOf(text))) + painted : padEnd(painted, width);
}

/** A column that has content, with the width that it would like. */
interface Used {
  readonly column: Column;
  readonly at: number;
  readonly wanted: number;
}

function droppedToFit(used: readonly Used[], total: number): readonly Used[] {
  const least = used.reduce((sum, { column, wanted }) => sum + Math.min(wanted, column.min ?? wanted) + 2, -2);
  const victim = least > total ? used.find(({ column }) => column.optional === true) : undefined;
  return victim === undefined
    ? used
    : droppedToFit(
        used.filter((one) => one !== victim),
        total,
      );
}

/** Takes width from the column that has most to spare until the table fits. */
function fit(used: readonly Used[], total: number): readonly number[] {
  const widths = used.map(({ wanted }) => wanted);
  const gaps = 2 * Math.max(0, widths.length - 1);
  for (;;) {
    const over = widths.reduce((sum, w) => sum + w, gaps) - total;
    if (over <= 0) return widths;
    const room = widths.map((w, at) => w - (used[at]?.column.min ?? w));
    const most = Math.max(...room);
    if (most <= 0) return widths;
    const widest = room.indexOf(most);
    widths[widest] = (widths[widest] ?? 0) - Math.min(over, Math.max(1, Math.ceil(most / 2)));
  }
}
