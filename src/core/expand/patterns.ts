// Patterns of variables: whether a text is what a pattern says, within bounds that no file can stretch.
import { quoted } from '../load/quote.ts';
import type { Context } from './context.ts';

/** A compiled pattern. Its time is linear: at worst `size` times the length of the text. */
export interface Pattern {
  /** Instructions of its program */
  readonly size: number;
  /** Whether the whole text is what the pattern says */
  readonly matches: (text: string) => boolean;
}

/** Most work of all patterns of a file together, in instructions times characters: a few seconds at the very worst. */
const mostWork = 10_000_000;

/** Whether a value, as text, is what a pattern says. One that is no pattern, which is reported elsewhere, fits everything. */
export function fitsPattern(context: Context, source: string, value: unknown): boolean {
  const pattern = context.inputs.patterns.get(source);
  if (pattern === undefined) return true;
  const text = String(value);
  context.patternWork += pattern.size * (text.length + 1);
  return context.patternWork <= mostWork && pattern.matches(text);
}

/** Why a declared pattern cannot be used, or nothing. */
export function patternProblem(context: Context, source: string): string | undefined {
  if (context.inputs.patterns.has(source)) return undefined;
  return `${quoted(source)} is not a regular expression that sbx takes: RE2 syntax, without look-around and back-references, and not too large.`;
}

/** Whether the patterns have had more work than they may. */
export function patternsExhausted(context: Context): boolean {
  return context.patternWork > mostWork;
}
