// Differences of texts of several lines. The library behind it is loaded only where a plan holds such a text.
import type { Plan, PlanValue } from '../plan/plan.ts';

export interface DiffLine {
  readonly mark: '+' | '-' | ' ';
  readonly line: string;
}

/** Compares two texts line by line, with a few equal lines around each difference. */
export type TextDiff = (from: string, to: string) => readonly DiffLine[];

/** Whether showing a plan needs a `TextDiff`. */
export function needsTextDiff(plan: Plan): boolean {
  return plan.changes.some((c) => 'fields' in c && c.fields.some((f) => isText(f.from) || isText(f.to)));
}

function isText(value: PlanValue): boolean {
  return 'value' in value && typeof value.value === 'string' && value.value.includes('\n');
}

/** Loads the comparison. */
export async function loadTextDiff(): Promise<TextDiff> {
  const { structuredPatch } = await import('diff');
  return (from, to) => {
    const patch = structuredPatch('', '', from, to, '', '', { context: 2 });
    return patch.hunks.flatMap((hunk, at) => [
      ...(at === 0 ? [] : [{ mark: ' ', line: '…' } as const]),
      ...hunk.lines.filter((line) => !line.startsWith('\\')).map(toDiffLine),
    ]);
  };
}

function toDiffLine(line: string): DiffLine {
  const mark = line.charAt(0);
  return { mark: mark === '+' || mark === '-' ? mark : ' ', line: line.slice(1) };
}

/** Shows both texts whole; for callers without the library. */
export const wholeTexts: TextDiff = (from, to) => [
  ...linesOf(from).map((line) => ({ mark: '-', line }) as const),
  ...linesOf(to).map((line) => ({ mark: '+', line }) as const),
];

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
