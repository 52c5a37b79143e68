// State files: read together with their journal, written whole, with backups. A kill at any moment loses nothing.
import type { Checked } from '../core/checked.ts';
import type { Diagnostic } from '../core/diagnostic.ts';
import { bug } from '../core/errors.ts';
import type { State } from '../core/state/state.ts';
import type { SandboxLayout } from './home.ts';

/** What is recorded of a sandbox now: its state file with its journal replayed. */
export interface Snapshot {
  /** Absent when nothing was ever applied */
  readonly state: State | undefined;
  /** Whether a journal is there that is not part of the state file yet: an apply is running, or was killed */
  readonly unfinished: boolean;
  /** Equal as long as nothing was recorded: lineage, serial and bytes of the journal */
  readonly stamp: string;
}

/** Reads state and journal; writes nothing. SBX4002 to SBX4005 say what is damaged and name the backups. */
export async function readSnapshot(layout: SandboxLayout): Promise<Checked<Snapshot>> {
  return bug(layout.id);
}

/**
 * Writes a state with the next serial and gives it as written: backup of the old file, atomic replace, then removal
 * of the journal, which is part of the state now. Needs the lock. Throws SBX4008.
 */
export async function writeState(layout: SandboxLayout, state: State): Promise<State> {
  return bug(`${layout.id} ${state.serial}`);
}

/**
 * Makes ready for `openJournal`: folds the journal that an unfinished apply left into the state file, or drops one that
 * already is. Gives the state as it is on disk now. Needs the lock, and a snapshot that was read under it.
 */
export async function settleJournal(layout: SandboxLayout, snapshot: Snapshot): Promise<State | undefined> {
  return bug(`${layout.id} ${snapshot.stamp}`);
}

/** Removes state, journal, backups and lock file of a sandbox that has nothing left. Needs the lock. */
export async function removeState(layout: SandboxLayout): Promise<void> {
  return bug(layout.id);
}

/** SBX4006 when the state was applied from another folder, else undefined. Links in both paths are resolved. */
export async function checkFolder(state: State, folder: string): Promise<Diagnostic | undefined> {
  return bug(`${state.folder} ${folder}`);
}

/** One sandbox of a home, whether its state can be read or not. */
export interface ListedSandbox {
  readonly layout: SandboxLayout;
  readonly snapshot: Checked<Snapshot>;
}

/** All sandboxes of a home in order of their ids; also those of which there is a journal only. */
export async function listSandboxes(home: SandboxLayout['home']): Promise<readonly ListedSandbox[]> {
  return bug(home.state);
}
