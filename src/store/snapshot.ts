// What is recorded of a sandbox now: its state file with the journal of an unfinished apply replayed. Reads only.
import { type Checked, failed, ok } from '../core/checked.ts';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { checkState } from '../core/state/check-state.ts';
import { type JournalHeader, parseJournal, parseJournalHeader } from '../core/state/journal-text.ts';
import { replay } from '../core/state/replay.ts';
import type { State } from '../core/state/state.ts';
import { readTextIfThere } from '../host/files.ts';
import { listBackups } from './backups.ts';
import type { SandboxLayout } from './home.ts';
import { homeFailure } from './home-failure.ts';

export interface Snapshot {
  /** Absent when nothing was ever applied */
  readonly state: State | undefined;
  /** Whether an apply began and is not known to have ended: it runs now (see `readLockOwner`) or was killed */
  readonly unfinished: boolean;
  /** `live`: its records are not part of the state file yet; `folded`: they are */
  readonly journal: 'none' | 'live' | 'folded';
  /** Equal as long as nothing was recorded: lineage, serial and length of a live journal */
  readonly stamp: string;
}

const attempts = 5;

/** Reads state and journal; writes nothing. SBX4002 to SBX4005 say what is damaged and name the backups. */
export async function readSnapshot(layout: SandboxLayout): Promise<Checked<Snapshot>> {
  let result = await readOnce(layout);
  // An apply that ends between the two reads makes them look unrelated: what is really so shows itself again.
  for (let attempt = 1; !result.ok && attempt < attempts; attempt++) result = await readOnce(layout);
  return result.ok ? result : withBackups(layout, result.diagnostics);
}

/** The journal comes first: a state that is written meanwhile has its records, never the other way round. */
async function readOnce(layout: SandboxLayout): Promise<Checked<Snapshot>> {
  const { journalPath, statePath } = layout;
  const journalText = (await readTextIfThere(journalPath).catch(homeFailure(`read ${journalPath}`))) ?? '';
  const stateText = await readTextIfThere(statePath).catch(homeFailure(`read ${statePath}`));
  const state = stateText === undefined ? ok(undefined) : parseState(stateText, layout);
  if (!state.ok) return state;
  const header = parseJournalHeader(journalText, layout.journalPath);
  return header.ok ? combine(layout, state.value, header.value, journalText) : header;
}

function parseState(text: string, layout: SandboxLayout): Checked<State> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return failed(diagnostic('SBX4002', { detail: `${layout.statePath} is not JSON: ${reason}.` }));
  }
  const checked = checkState(json, layout.statePath);
  if (!checked.ok) return checked;
  const { name, instance } = checked.value;
  if (name === layout.name && instance === layout.instance) return checked;
  const detail = `${layout.statePath} is the state of "${instance === undefined ? name : `${name}@${instance}`}".`;
  return failed(diagnostic('SBX4002', { detail }));
}

function combine(
  layout: SandboxLayout,
  state: State | undefined,
  header: JournalHeader | undefined,
  journalText: string,
): Checked<Snapshot> {
  const stamp = state === undefined ? 'none' : `${state.lineage}/${state.serial}`;
  if (header === undefined) return ok({ state, unfinished: false, journal: 'none', stamp });
  const relation = relate(header, state);
  // Its records are in the state file: whether they can be read matters to nobody.
  if (relation === 'folded') return ok({ state, unfinished: false, journal: 'folded', stamp });
  if (relation === 'foreign') return failed(foreign(layout, header, state));
  const records = parseJournal(journalText, layout.journalPath);
  if (!records.ok) return records;
  const unfinished = records.value.at(-1)?.type !== 'close';
  const recorded = replay(state, records.value);
  return ok({ state: recorded, unfinished, journal: 'live', stamp: `${stamp}+${journalText.length}` });
}

/** A journal knows the state file that it was opened on; writing a state raises the serial. */
function relate(header: JournalHeader, state: State | undefined): 'live' | 'folded' | 'foreign' {
  if (state === undefined) return header.serial === 0 ? 'live' : 'foreign';
  if (header.lineage !== state.lineage || header.serial > state.serial) return 'foreign';
  return header.serial === state.serial ? 'live' : 'folded';
}

function foreign(layout: SandboxLayout, header: JournalHeader, state: State | undefined): Diagnostic {
  const there =
    state === undefined
      ? 'there is no state file'
      : `the state file has serial ${state.serial}${state.lineage === header.lineage ? '' : ' of another lineage'}`;
  return diagnostic('SBX4005', {
    detail: `${layout.journalPath} builds on serial ${header.serial} of ${layout.id}, but ${there}.`,
    hint: [
      'Put the state back that it belongs to; or, to go on without what the unfinished apply recorded:',
      `mv ${layout.journalPath} ${layout.journalPath}.old`,
    ].join('\n'),
  });
}

async function withBackups(
  layout: SandboxLayout,
  [first, ...rest]: readonly [Diagnostic, ...Diagnostic[]],
): Promise<Checked<Snapshot>> {
  if (first.code === 'SBX4003' || first.code === 'SBX4004') return failed(first, ...rest);
  const [newest, ...older] = await listBackups(layout);
  const words =
    newest === undefined
      ? ['There is no backup.']
      : [
          `Backups, newest first: ${[newest, ...older].join(', ')}. To put the newest back:`,
          `cp ${newest} ${layout.statePath}`,
        ];
  return failed({ ...first, hint: [...(first.hint === undefined ? [] : [first.hint]), ...words].join('\n') }, ...rest);
}
