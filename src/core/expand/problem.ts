// A problem without a place: the evaluator does not know where its text stands.
import type { Code } from '../codes.ts';
import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';

/** What is wrong, to be reported at the text that was being evaluated. */
export interface Problem {
  readonly code: Code;
  readonly detail: string;
  readonly hint?: string;
}

/** `"network.lann" is not declared`, with the nearest of what is. */
export function undeclared(reference: string, word: string, known: Iterable<string>): Problem {
  const detail = `${quoted(reference)} is not declared in this sandbox.`;
  return { code: 'SBX2104', detail, ...suggestion(word, known) };
}
