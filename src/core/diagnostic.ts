// Diagnostics: problems a user can cause, as values. Rendering is in core/render/diagnostics.ts.
import type { Address } from './address.ts';
import { type Code, codes } from './codes.ts';

/** A span in a user's file. Line and column are 1-based; columns count UTF-16 units; `endColumn` is exclusive. */
export interface Place {
  /** Path as the user gave it, relative to the working directory when below it */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endColumn?: number;
  /** The source line itself, for the caret */
  readonly source?: string;
}

/** One problem: stable code, fixed words, the particulars, and what to do about it. */
export interface Diagnostic {
  readonly severity: 'error' | 'warning';
  readonly code: Code;
  /** Fixed words from the table of codes, without user names */
  readonly summary: string;
  /** Full sentences, actual values quoted */
  readonly detail: string;
  readonly place?: Place;
  readonly address?: Address;
  /** What to do; a command stands alone on its line */
  readonly hint?: string;
  readonly related?: readonly { readonly place: Place; readonly note: string }[];
}

/** The parts of a diagnostic that its code does not fix. */
export type Particulars = Omit<Diagnostic, 'code' | 'summary' | 'severity'>;

/** Makes a diagnostic; severity and summary come from the table of codes. */
export function diagnostic(code: Code, particulars: Particulars): Diagnostic {
  const entry = codes[code];
  return { severity: entry.severity, code, summary: entry.summary, ...particulars };
}
