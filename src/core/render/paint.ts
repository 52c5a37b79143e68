// Colours as a table of functions, so that text is written once for terminals and for files; and widths of text.
import { printable } from './diagnostics.ts';

const codes = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  blue: [34, 39],
  magenta: [35, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof codes;

/** One function per style; each gives its text back as it is where colours are off. */
export type Paint = Readonly<Record<Style, (text: string) => string>>;

const styles = Object.keys(codes) as Style[];

/** The painters for a terminal, or for plain text. */
export function makePaint(color: boolean): Paint {
  const painter = (style: Style) => (text: string) => {
    const [on, off] = codes[style];
    return color && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  };
  return Object.fromEntries(styles.map((style) => [style, painter(style)])) as Paint;
}

/** Text without escape sequences and other control characters; names of files and output of guests are not trusted. */
export function plainText(text: string): string {
  return printable(text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, ''));
}

/** JSON in which also those characters are escaped that JSON itself lets through and a terminal obeys: C1 codes, direction marks. */
export function plainJson(
  value: unknown,
  replacer?: (key: string, value: unknown) => unknown,
  indent?: number,
): string {
  return JSON.stringify(value, replacer, indent).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Columns that a text takes; our own escape sequences take none. */
export function widthOf(text: string): number {
  return [...text.replace(/\u001b\[[0-9;]*m/g, '')].length;
}

/** Text with blanks after it up to a width. */
export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** Plain text cut to a width, with an ellipsis where something is missing. */
export function cut(text: string, width: number): string {
  const characters = [...text];
  return characters.length <= width ? text : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`;
}
