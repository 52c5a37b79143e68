// The shape of one line in a table of codes.

/** What is fixed about a code: its severity, its words, and the paragraph that docs/errors.md shows. */
export interface CodeEntry {
  readonly severity: 'error' | 'warning';
  readonly summary: string;
  /** What it means and what to do, for docs/errors.md */
  readonly meaning: string;
  /** Exit code where it is not that of its thousand: 64 for 0xxx, 3 for 1xxx and 2xxx, else 1 */
  readonly exit?: 1 | 4 | 6 | 7 | 64 | 130;
}
