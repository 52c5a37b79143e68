// State files: written whole, with backups, in an order in which a kill at any moment loses nothing.
import { realpath, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Diagnostic, diagnostic } from '../core/diagnostic.ts';
import { bug } from '../core/errors.ts';
import type { State } from '../core/state/state.ts';
import { formatState } from '../core/state/state-text.ts';
import { ensurePrivateFolder, temporaryOf, writeFileAtomic } from '../host/files.ts';
import { keepBackup, pruneBackups } from './backups.ts';
import { type SandboxLayout, statesDir } from './home.ts';
import { homeFailure } from './home-failure.ts';
import { dropReserve } from './reserve.ts';
import type { Snapshot } from './snapshot.ts';

/**
 * Writes a state with the next serial and gives it as written. Order: backup of the old file, atomic replace of the
 * state, removal of the journal. Killed before the replace, old state and journal are as they were; after it, the
 * journal is of an older serial and therefore ignored. Needs the lock. Throws SBX4008.
 */
export async function writeState(layout: SandboxLayout, state: State): Promise<State> {
  const written: State = { ...state, serial: state.serial + 1 };
  const fail = homeFailure(`write the state ${layout.statePath}`);
  await ensurePrivateFolder(statesDir(layout.home)).catch(fail);
  await keepBackup(layout, state.serial).catch(fail);
  await writeFileAtomic(layout.statePath, formatState(written)).catch(fail);
  await rm(layout.journalPath, { force: true }).catch(fail);
  await pruneBackups(layout, state.serial).catch(fail);
  return written;
}

/**
 * Makes ready for `openJournal`: folds the journal that an unfinished apply left into the state file, or drops one
 * that already is part of it. Gives the state as it is on disk now. Needs the lock, and a snapshot read under it.
 */
export async function settleJournal(layout: SandboxLayout, snapshot: Snapshot): Promise<State | undefined> {
  if (snapshot.journal === 'live') return writeState(layout, snapshot.state ?? bug('a live journal without a state'));
  // Also one that is empty, since its apply was killed while making it.
  await rm(layout.journalPath, { force: true }).catch(homeFailure(`remove the journal ${layout.journalPath}`));
  return snapshot.state;
}

/**
 * Removes state, journal, backups and lock file of a sandbox that has nothing left: after `writeState` of a state
 * without resources, so that a kill in between leaves that one. Needs the lock, which is still to be released.
 */
export async function removeState(layout: SandboxLayout): Promise<void> {
  const fail = homeFailure(`remove the state ${layout.statePath}`);
  await rm(layout.journalPath, { force: true }).catch(fail);
  await rm(layout.statePath, { force: true }).catch(fail);
  // Of a write that was killed.
  await rm(temporaryOf(layout.statePath), { force: true }).catch(fail);
  await rm(layout.backupsDir, { force: true, recursive: true }).catch(fail);
  await dropReserve(layout).catch(fail);
  await rm(layout.lockPath, { force: true }).catch(fail);
}

/** SBX4006 when the state was applied from another folder, else undefined. Links in both paths are resolved. */
export async function checkFolder(state: State, folder: string): Promise<Diagnostic | undefined> {
  if ((await settledPath(state.folder)) === (await settledPath(folder))) return undefined;
  const id = state.instance === undefined ? state.name : `${state.name}@${state.instance}`;
  return diagnostic('SBX4006', {
    detail: `"${id}" was applied from ${state.folder}, not from ${folder}.`,
    hint: 'Use --instance NAME for a copy of your own, or --take-over to make this one yours.',
  });
}

/** A folder that is gone keeps the name that it had. */
async function settledPath(folder: string): Promise<string> {
  return realpath(folder).catch(() => resolve(folder));
}
