// Diagnostics as people read them: place, code, words, the source line with a caret, and what to do.
import { type Diagnostic, diagnostic, type Place } from '../diagnostic.ts';

export interface RenderOptions {
  readonly color: boolean;
  /** Folder that paths are shown relative to; absolute paths outside it stay as they are */
  readonly cwd?: string;
}

const widestSource = 110;
// Control characters, line separators and marks that turn the direction of text around
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Most diagnostics that are shown at once, in text and in JSON. */
const mostShown = 300;

/** The first diagnostics, errors before warnings, and one more that says how many are left out. */
export function boundedDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  if (diagnostics.length <= mostShown) return diagnostics;
  const errors = diagnostics.filter(({ severity }) => severity === 'error');
  const ordered = [...errors, ...diagnostics.filter(({ severity }) => severity === 'warning')];
  const detail = `${ordered.length - mostShown} more are not shown.`;
  const severity = errors.length > mostShown ? 'error' : 'warning';
  return [...ordered.slice(0, mostShown), { ...diagnostic('SBX1206', { detail }), severity }];
}

/** All diagnostics as text with a line feed at its end, in the order of files and lines; '' for none. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions): string {
  return [...diagnostics]
    .sort(byPlace)
    .map((each) => `${renderOne(each, options)}\n`)
    .join('');
}

/** Text without control characters, so that names from files and output of programs cannot steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(unprintable, '');
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.place === undefined || b.place === undefined)
    return Number(a.place === undefined) - Number(b.place === undefined);
  if (a.place.file !== b.place.file) return a.place.file < b.place.file ? -1 : 1;
  return a.place.line - b.place.line || a.place.column - b.place.column;
}

function renderOne(diagnostic: Diagnostic, options: RenderOptions): string {
  const { severity, code, summary, place, detail, hint, address } = diagnostic;
  const word = paint(options, severity === 'error' ? '1;31' : '1;33', `${severity} ${code}`);
  const where = place === undefined ? (address === undefined ? '' : `${address}: `) : `${position(place, options)}: `;
  const lines = [`${where}${word}: ${paint(options, '1', oneLine(summary))}`, ...indented(detail, '  ')];
  if (place !== undefined) lines.push(...excerpt(place, options));
  for (const { place: other, note } of diagnostic.related ?? []) {
    lines.push(`  ${oneLine(note)}: ${position(other, options)}`, ...excerpt(other, options));
  }
  if (hint !== undefined)
    lines.push(
      ...indented(`hint: ${hint}`, '  ').map((line) =>
        line.replace(/^ {2}hint:/, (word) => paint(options, '36', word)),
      ),
    );
  return lines.join('\n');
}

function paint({ color }: RenderOptions, style: string, text: string): string {
  return color ? `\u001b[${style}m${text}\u001b[0m` : text;
}

function oneLine(text: string): string {
  return printable(text).replaceAll('\n', ' ');
}

function indented(text: string, indent: string): readonly string[] {
  return printable(text)
    .split('\n')
    .map((line) => indent + line);
}

function position(place: Place, { cwd }: RenderOptions): string {
  const below = cwd !== undefined && place.file.startsWith(`${cwd}/`);
  return `${oneLine(below ? place.file.slice(cwd.length + 1) : place.file)}:${place.line}:${place.column}`;
}

/** The source line and a caret under the span; a long line is cut around it. */
function excerpt({ source, line, column, endColumn }: Place, options: RenderOptions): readonly string[] {
  if (source === undefined) return [];
  const from = column > widestSource - 20 ? column - Math.floor(widestSource / 2) : 0;
  const cut = source.slice(from, from + widestSource);
  const shown = `${from > 0 ? '…' : ''}${narrow(cut)}${source.length > from + widestSource ? '…' : ''}`;
  const start = column - 1 - from + (from > 0 ? 1 : 0);
  const width = Math.max(Math.min((endColumn ?? column + 1) - column, widestSource - (column - 1 - from)), 1);
  const number = String(line).padStart(5);
  return [
    paint(options, '2', `${number} | `) + shown,
    `${paint(options, '2', '      | ')}${' '.repeat(Math.max(start, 0))}${paint(options, '1;31', '^'.repeat(width))}`,
  ];
}

/** Every character one column wide and harmless: what is not is shown as a space or a question mark. */
function narrow(text: string): string {
  return text.replaceAll('\t', ' ').replace(unprintable, '?');
}
