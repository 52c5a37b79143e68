// The journal as text: one record of JSON per line. A last line without its newline is torn and counts as never written.
import { type Checked, failed, ok } from '../checked.ts';
import { diagnostic } from '../diagnostic.ts';
import { checkRecord } from './check-state.ts';
import type { JournalRecord } from './journal.ts';

/** The first record of a journal. */
export type JournalHeader = Extract<JournalRecord, { type: 'open' }>;

/** Lines for some records, each with its newline. */
export function formatRecords(records: readonly JournalRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/** The first record alone, which tells what the rest is worth; undefined when nothing was ever written whole. */
export function parseJournalHeader(text: string, path: string): Checked<JournalHeader | undefined> {
  const [line] = wholeLines(text.slice(0, text.indexOf('\n') + 1));
  if (line === undefined) return ok(undefined);
  const record = parseLine(line);
  if (isNewer(record)) return failed(newer(path));
  const checked = checkRecord(record, true);
  if (typeof checked === 'string') return failed(damaged(path, 1, checked));
  return ok(checked.type === 'open' ? checked : undefined);
}

/**
 * All records of a journal, its header first. What follows the last newline is what a kill or a full disk cut off:
 * ignored, as is a tail of NUL bytes that a power cut can leave. Any other line that is no record is SBX4004, a newer
 * format SBX4003.
 */
export function parseJournal(text: string, path: string): Checked<readonly JournalRecord[]> {
  const header = parseJournalHeader(text, path);
  if (!header.ok) return header;
  const records: JournalRecord[] = [];
  for (const [index, line] of wholeLines(text).entries()) {
    const checked = checkRecord(parseLine(line), index === 0);
    if (typeof checked === 'string') return failed(damaged(path, index + 1, checked));
    records.push(checked);
  }
  return ok(records);
}

function wholeLines(text: string): string[] {
  const nul = text.indexOf('\0');
  const written = nul === -1 ? text : text.slice(0, nul);
  const lines = written.split('\n');
  lines.pop();
  return lines;
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isNewer(record: unknown): boolean {
  if (typeof record !== 'object' || record === null || !('format_version' in record)) return false;
  return typeof record.format_version === 'number' && record.format_version > 1;
}

function newer(path: string) {
  return diagnostic('SBX4003', { detail: `${path} was written by a newer sbx.`, hint: 'Use the sbx that wrote it.' });
}

function damaged(path: string, line: number, reason: string) {
  return diagnostic('SBX4004', {
    detail: `Line ${line} of ${path} is no record of a journal: ${reason}.`,
    hint: [
      'The state file alone is older than what the unfinished apply did. To go on without its record, move the journal away;',
      'the next plan then shows what it can see on the host.',
      `mv ${path} ${path}.damaged`,
    ].join('\n'),
  });
}
