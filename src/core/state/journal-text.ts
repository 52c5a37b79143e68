// The journal as text: one record of JSON per line. A last line without its newline is torn and counts as never written.
import type { JournalRecord } from './journal.ts';

/** Lines for some records, each with its newline. */
export function formatRecords(records: readonly JournalRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
