// Recorded and observed, whole: one block per resource, in an outline that reads like the file.
import type { Json } from '../json.ts';
import { makePaint, type Paint, plainText } from './paint.ts';
import { driftWords, sandboxTitle } from './plan-model.ts';
import type { ShownResource, ShowReport } from './status-model.ts';

/** All resources of the report; ends with a newline. Sensitive values are recorded as hashes and shown as `(sensitive)`. */
export function renderShow(report: ShowReport, options: { readonly color: boolean }): string {
  const paint = makePaint(options.color);
  const head = [
    `${paint.bold(sandboxTitle(report.sandbox))}  ${paint.dim(`serial ${report.serial}, lineage ${report.lineage}`)}`,
    ...report.files.map((file) => paint.dim(`from ${plainText(file)}`)),
  ];
  return `${[head, ...report.resources.map((r) => resourceLines(r, paint))].map((l) => l.join('\n')).join('\n\n')}\n`;
}

function resourceLines({ record, observed, drift }: ShownResource, paint: Paint): readonly string[] {
  const unfinished = record.pending === undefined ? '' : `, began ${record.pending.op}`;
  const state = record.status === 'ready' && unfinished === '' ? '' : paint.yellow(`  (${record.status}${unfinished})`);
  return [
    `${paint.bold(record.address)}${state}`,
    ...outline('recorded', record.attrs as unknown as Json, 2, paint),
    ...outline('facts', record.facts as unknown as Json, 2, paint),
    ...(observed === null ? [] : outline('observed', observed, 2, paint)),
    ...drift.map((d) => `  ${paint.magenta('!')} ${driftWords(d)}`),
  ];
}

function outline(key: string, value: Json | undefined, indent: number, paint: Paint): readonly string[] {
  const head = `${' '.repeat(indent)}${paint.dim(`${plainText(key)}:`)}`;
  if (value === undefined || isEmpty(value)) return [];
  if (typeof value !== 'object' || value === null) return [`${head} ${scalar(value)}`];
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object')) return [`${head} [${value.map(scalar).join(', ')}]`];
    return [head, ...value.flatMap((item: Json, at: number) => outline(String(at), item, indent + 2, paint))];
  }
  const entries = Object.entries(value as Record<string, Json>);
  const [only] = entries;
  if (entries.length === 1 && only?.[0] === 'sensitive' && typeof only[1] === 'string') return [`${head} (sensitive)`];
  return [head, ...entries.flatMap(([k, v]) => outline(k, v, indent + 2, paint))];
}

function isEmpty(value: Json): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

function scalar(value: Json): string {
  return typeof value === 'string' ? plainText(value) : JSON.stringify(value);
}
