// A plan as people read it on a terminal: what drifted, what will happen, what it costs, and the sum of it.
import type { Drift, Plan } from '../plan/plan.ts';
import { isEmptyPlan } from '../plan/plan.ts';
import { makePaint, type Paint, padEnd, plainText, type Style, widthOf } from './paint.ts';
import {
  type ChangeView,
  countChanges,
  driftWords,
  driverLines,
  type FieldView,
  keptAddresses,
  type Mark,
  sandboxTitle,
  summaryLine,
  toChangeView,
} from './plan-model.ts';
import { aboutDuration, counted } from './quantity.ts';
import { type TextDiff, wholeTexts } from './text-diff.ts';
import { formatChange, formatValue } from './value-text.ts';

export interface PlanTextOptions {
  readonly color: boolean;
  /** Columns of the terminal; comments that do not fit go to a line of their own */
  readonly width: number;
  readonly textDiff?: TextDiff;
}

/** The whole plan; ends with a newline. Warnings are diagnostics and shown apart. */
export function renderPlan(plan: Plan, options: PlanTextOptions): string {
  const paint = makePaint(options.color);
  const sections = [
    driverLines(plan).map(paint.dim),
    driftSection(plan, paint),
    ...changeSections(plan, paint, options),
    outputSection(plan, paint),
    endSection(plan, paint),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

function driftSection(plan: Plan, paint: Paint): readonly string[] {
  if (plan.drift.length === 0) return [];
  const groups = new Map<string, Drift[]>();
  for (const drift of plan.drift) groups.set(drift.address, [...(groups.get(drift.address) ?? []), drift]);
  return [
    paint.bold('Changed outside sbx since the last apply (recorded → now):'),
    ...[...groups].flatMap(([address, drifts]) => [
      `  ${paint.magenta('!')} ${paint.bold(address)}`,
      ...drifts.map((d) => `      ${driftWords(d)}${paint.dim(d.remedy === '' ? '' : `  # ${plainText(d.remedy)}`)}`),
    ]),
  ];
}

const symbolStyles: Readonly<Record<Mark, Style>> = {
  '+': 'green',
  '~': 'yellow',
  '-/+': 'red',
  '-': 'red',
  '.': 'dim',
};

/** One section per change; neighbours of one line each share a section. */
function changeSections(plan: Plan, paint: Paint, options: PlanTextOptions): readonly (readonly string[])[] {
  const sections: string[][] = [];
  let joins = false;
  for (const change of plan.changes) {
    const lines = changeLines(toChangeView(change), paint, options);
    const last = sections.at(-1);
    if (joins && lines.length === 1 && last !== undefined) last.push(...lines);
    else sections.push([...lines]);
    joins = lines.length === 1;
  }
  return sections;
}

function changeLines(view: ChangeView, paint: Paint, options: PlanTextOptions): readonly string[] {
  const mark = paint[symbolStyles[view.symbol]](view.symbol.padStart(3));
  const because = view.because === undefined ? '' : paint.dim(`  # ${view.because}`);
  return [
    `${mark} ${paint.bold(view.address)} ${view.verdict}${because}`,
    ...view.price.map((words) => `      ${paint.yellow('!')} ${words}`),
    ...fieldLines(view.fields, paint, options),
  ];
}

function fieldLines(fields: readonly FieldView[], paint: Paint, options: PlanTextOptions): readonly string[] {
  const widths = fields.filter((f) => f.comment !== undefined).map((f) => plainWidth(f));
  const column = Math.min(60, Math.max(0, ...widths));
  return fields.flatMap((field) => [
    ...withComment(fieldHead(field, paint), field.comment, column, paint, options.width),
    ...(field.text === undefined
      ? []
      : (options.textDiff ?? wholeTexts)(field.text.from, field.text.to).map((d) => {
          const line = `          ${d.mark} ${plainText(d.line)}`.trimEnd();
          return d.mark === ' ' ? line : paint[d.mark === '+' ? 'green' : 'red'](line);
        })),
  ]);
}

function fieldHead(field: FieldView, paint: Paint): string {
  return `      ${paint[symbolStyles[field.symbol]](field.symbol)} ${field.field}:${field.values === undefined ? '' : ` ${field.values}`}`;
}

function plainWidth(field: FieldView): number {
  return 9 + widthOf(field.field) + (field.values === undefined ? 0 : 1 + widthOf(field.values));
}

function withComment(
  head: string,
  comment: string | undefined,
  column: number,
  paint: Paint,
  width: number,
): readonly string[] {
  if (comment === undefined) return [head];
  const padded = padEnd(head, column);
  const tail = `# ${comment}`;
  return widthOf(padded) + 2 + widthOf(tail) <= width
    ? [`${padded}  ${paint.dim(tail)}`]
    : [head, `          ${paint.dim(tail)}`];
}

function outputSection(plan: Plan, paint: Paint): readonly string[] {
  if (plan.outputs.length === 0) return [];
  return [
    paint.bold('Outputs:'),
    ...plan.outputs.map(({ name, from, to }) => {
      if ('absent' in from) return `  ${paint.green('+')} ${name} = ${formatValue(to)}`;
      if ('absent' in to) return `  ${paint.red('-')} ${name}`;
      const values = 'sensitive' in to ? '(sensitive, changes)' : formatChange(from, to);
      return `  ${paint.yellow('~')} ${name} = ${values}`;
    }),
  ];
}

function endSection(plan: Plan, paint: Paint): readonly string[] {
  const title = sandboxTitle(plan.sandbox);
  if (plan.changes.length > 0) {
    const { downtimeMs } = countChanges(plan);
    const extras = [
      ...(downtimeMs > 0 ? [`Longest downtime: ${aboutDuration(downtimeMs)}.`] : []),
      ...(plan.unchanged > 0 ? [`${plan.unchanged} unchanged.`] : []),
    ];
    return [[paint.bold(summaryLine(plan)), ...extras].join(' ')];
  }
  if (!isEmptyPlan(plan)) return [paint.bold('Plan: only outputs change.')];
  const kept = keptAddresses(plan);
  if (kept.length > 0)
    return [`${paint.bold('No changes.')} Of ${title} only what is protected is left: ${kept.join(', ')}.`];
  if (plan.mode === 'destroy') return [`${paint.bold('No changes.')} Nothing of ${title} is left on this host.`];
  if (plan.drift.length > 0) return [`${paint.bold('No changes.')} What drifted stays as it is.`];
  const matches =
    plan.unchanged === 0 ? 'declares nothing to do' : `matches the file: ${counted(plan.unchanged, 'resource')}`;
  return [`${paint.bold('No changes.')} ${title} ${matches}.`];
}
