// What `doctor`, `image` and `output` print.
import type { Output } from '../desired.ts';
import type { Json } from '../json.ts';
import { tableLines } from './columns.ts';
import { makePaint, plainText } from './paint.ts';
import { roughBytes, roughDuration } from './quantity.ts';
import type { CachedImage, DoctorCheck } from './status-model.ts';

interface Look {
  readonly color: boolean;
  readonly width: number;
}

/** One line per check, with what to do under those that are not fine; ends with a newline. */
export function renderDoctor(checks: readonly DoctorCheck[], look: Look): string {
  const paint = makePaint(look.color);
  const marks = { ok: paint.green('✓'), limited: paint.yellow('!'), missing: paint.red('✗') };
  const lines = checks.flatMap(({ name, status, detail, hint }) => [
    `${marks[status]} ${paint.bold(name)}: ${plainText(detail)}`,
    ...(hint === undefined ? [] : hint.split('\n').map((line) => `    ${line}`)),
  ]);
  const bad = checks.filter((c) => c.status === 'missing').length;
  const limited = checks.filter((c) => c.status === 'limited').length;
  const verdict =
    bad > 0
      ? paint.red(`sbx cannot run VMs here: ${bad} missing.`)
      : limited > 0
        ? paint.yellow(`sbx can run VMs here, with ${limited} limited.`)
        : paint.green('sbx can run VMs here.');
  return `${[...lines, '', paint.bold(verdict)].join('\n')}\n`;
}

/** The image cache as a table; ends with a newline. */
export function renderImages(images: readonly CachedImage[], nowMs: number, look: Look): string {
  if (images.length === 0) return 'No images are cached.\n';
  const rows = images.map((image) => [
    { text: image.name },
    { text: image.digest.replace(/^sha256:/, '').slice(0, 12) },
    { text: roughBytes(image.sizeBytes) },
    { text: image.builtAtMs === undefined ? '' : `${roughDuration(nowMs - image.builtAtMs)} ago` },
    { text: image.usedBy.join(', ') },
  ]);
  const columns = [
    { title: 'IMAGE' },
    { title: 'DIGEST' },
    { title: 'SIZE', align: 'right' as const },
    { title: 'BUILT' },
    { title: 'USED BY', min: 8 },
  ];
  return `${tableLines(columns, rows, look.width, makePaint(look.color).dim).join('\n')}\n`;
}

/** `name = value` per output; sensitive ones are hidden. Ends with a newline unless there are none. */
export function renderOutputs(outputs: ReadonlyMap<string, Output>): string {
  return [...outputs]
    .map(([name, { value, sensitive }]) => `${name} = ${sensitive ? '(sensitive)' : outputText(value)}\n`)
    .join('');
}

/** One output for scripts: text bare, everything else as JSON. */
export function outputText(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
