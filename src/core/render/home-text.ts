// Every sandbox of a home as a table.
import { type Column, tableLines } from './columns.ts';
import { makePaint, type Paint, plainText } from './paint.ts';
import { sandboxTitle } from './plan-model.ts';
import type { HomeReport, SandboxSummary } from './status-model.ts';
import { busyWords, leaseWords } from './status-text.ts';

const columns: readonly Column[] = [
  { title: 'SANDBOX', min: 8 },
  { title: 'RUNNING', align: 'right' },
  { title: 'LEASE' },
  { title: 'FOLDER', min: 10 },
];

/** One line per sandbox, then what is unusual about some; ends with a newline. */
export function renderHome(
  { sandboxes }: HomeReport,
  options: { readonly color: boolean; readonly width: number },
): string {
  const paint = makePaint(options.color);
  if (sandboxes.length === 0) return 'There are no sandboxes in this home.\n';
  const table = tableLines(
    columns,
    sandboxes.map((each) => cellsOf(each, paint)),
    options.width,
    paint.dim,
  );
  const notes = sandboxes.flatMap((each) => notesOf(each).map((note) => `  ${paint.yellow('!')} ${note}`));
  return `${[...table, ...notes].join('\n')}\n`;
}

function cellsOf(
  { sandbox, folder, vms, leaseMs }: SandboxSummary,
  paint: Paint,
): readonly { readonly text: string; readonly paint?: (text: string) => string }[] {
  const { running, total } = vms;
  return [
    { text: sandboxTitle(sandbox) },
    { text: `${running}/${total}`, paint: paint[running === 0 ? 'dim' : running < total ? 'yellow' : 'green'] },
    { text: leaseMs === undefined ? '' : leaseWords(leaseMs) },
    { text: folder === undefined ? '' : plainText(folder) },
  ];
}

function notesOf({ sandbox, busy, problem }: SandboxSummary): readonly string[] {
  const words = [
    ...(problem === undefined ? [] : [plainText(problem)]),
    ...(busy === undefined ? [] : [busyWords(busy)]),
  ];
  return words.map((each) => `${sandboxTitle(sandbox)}: ${each}`);
}
