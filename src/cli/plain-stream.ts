// Bytes of a guest as text that steers no terminal: what is not printable is shown by its code.
import { StringDecoder } from 'node:string_decoder';

/** Control characters but for tab and line feed, line separators, and marks that turn the direction of text around or are invisible */
const steering =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{e0000}-\u{e007f}]/gu;

/** Where chunks go in, and text comes out; `end` gives what was held back. */
export interface PlainStream {
  readonly write: (chunk: Uint8Array) => void;
  readonly end: () => void;
}

/** Text of a stream of UTF-8. A carriage return before a line feed is a serial line's way to end lines, and is left out. */
export function plainStream(write: (text: string) => void): PlainStream {
  const decoder = new StringDecoder('utf8');
  let held = '';
  const pass = (text: string, isLast: boolean): void => {
    const all = held + text;
    // What follows decides whether these belong to the end of the line.
    const cut = isLast ? all.length : all.length - (/\r{1,9}$/.exec(all)?.[0].length ?? 0);
    held = all.slice(cut);
    const shown = escapeControls(all.slice(0, cut).replace(/\r{1,9}\n/g, '\n'));
    if (shown !== '') write(shown);
  };
  return {
    write: (chunk) => pass(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)), false),
    end: () => pass(decoder.end(), true),
  };
}

/** `\x1b` for an escape, `\u{202e}` for a mark beyond Latin-1. */
function escapeControls(text: string): string {
  return text.replace(steering, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
  });
}
