// The drawing of an apply as lines: a tree of resources that fits the terminal, and a summary below it.
import { cut, type Paint, padEnd, plainText, widthOf } from '../../core/render/paint.ts';
import { counted, roughDuration } from '../../core/render/quantity.ts';
import type { Progress, Row } from './progress.ts';

export interface TreeOptions {
  readonly title: string;
  readonly width: number;
  /** Most lines that may be drawn; more would make Ink clear the whole terminal */
  readonly height: number;
  readonly nowMs: number;
  readonly paint: Paint;
}

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

/** Lines of the tree, never more than `height`. */
export function treeLines(progress: Progress, options: TreeOptions): readonly string[] {
  const { paint, height } = options;
  const rows = [...progress.rows.values()];
  const room = Math.max(1, height - 3);
  const shown = rows.length <= room ? rows : mostTelling(rows, room - 1);
  const column = Math.min(40, Math.max(...shown.map((row) => widthOf(row.address)), 0));
  const hidden = rows.length - shown.length;
  return [
    paint.bold(options.title),
    ...shown.map((row, at) => rowLine(row, at === shown.length - 1 && hidden === 0, column, options)),
    ...(hidden > 0 ? [paint.dim(`└─ … ${counted(hidden, 'more', 'more')}`)] : []),
    summary(progress, rows, options),
  ];
}

const weight = { failed: 0, working: 1, skipped: 2, undone: 2, done: 3, waiting: 4 };

/** The rows that tell most, in the order of the plan. */
function mostTelling(rows: readonly Row[], count: number): readonly Row[] {
  const ranked = rows.map((row, at) => ({ at, rank: weight[row.state] }));
  ranked.sort((a, b) => a.rank - b.rank || a.at - b.at);
  const kept = new Set(ranked.slice(0, count).map(({ at }) => at));
  return rows.filter((_row, at) => kept.has(at));
}

function rowLine(row: Row, last: boolean, column: number, { width, nowMs, paint }: TreeOptions): string {
  const time =
    row.state === 'waiting' ? '' : roughDuration(row.state === 'working' ? nowMs - row.sinceMs : row.elapsedMs);
  const words = row.state === 'waiting' ? 'waits' : plainText(row.words);
  const room = Math.max(0, width - column - 17);
  const address = padEnd(cut(row.address, column), column);
  const name = row.state === 'waiting' ? paint.dim(address) : paint.bold(address);
  const tail = time === '' ? '' : paint.dim(`  ${time}`);
  return `${paint.dim(last ? '└─' : '├─')} ${mark(row, nowMs, paint)} ${name}  ${wordPaint(row, paint)(cut(words, room))}${tail}`;
}

function mark(row: Row, nowMs: number, paint: Paint): string {
  switch (row.state) {
    case 'waiting':
      return paint.dim('·');
    case 'working':
      return paint.cyan(spinner[Math.floor(nowMs / 100) % spinner.length] ?? '');
    case 'done':
      return paint.green('✓');
    case 'skipped':
      return paint.yellow('-');
    case 'undone':
      return paint.cyan('↶');
    case 'failed':
      return paint.red('✗');
  }
}

function wordPaint(row: Row, paint: Paint): (text: string) => string {
  if (row.state === 'failed') return paint.red;
  return row.state === 'working' ? (text) => text : paint.dim;
}

function summary(progress: Progress, rows: readonly Row[], { nowMs, paint }: TreeOptions): string {
  const count = (state: Row['state']): number => rows.filter((row) => row.state === state).length;
  const parts = [
    `${count('done')} of ${rows.length} done`,
    ...(count('working') > 0 ? [`${count('working')} at work`] : []),
    ...(count('failed') > 0 ? [paint.red(`${count('failed')} failed`)] : []),
    ...(count('undone') > 0 ? [paint.cyan(`${count('undone')} undone`)] : []),
    ...(count('skipped') > 0 ? [paint.yellow(`${count('skipped')} not started`)] : []),
    roughDuration((progress.endedMs ?? nowMs) - progress.startedMs),
  ];
  const stopping = progress.interrupted && progress.endedMs === undefined;
  return `${parts.join(' · ')}${stopping ? paint.yellow(' · finishing what runs; Ctrl-C again stops at once') : ''}`;
}
