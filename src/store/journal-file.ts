// The journal on disk: an append resolves when its records are durable; appends that wait share one sync.
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SbxError } from '../core/errors.ts';
import type { JournalRecord } from '../core/state/journal.ts';
import { formatRecords, type JournalHeader } from '../core/state/journal-text.ts';
import { syncFolder } from '../host/files.ts';
import type { SandboxLayout } from './home.ts';
import { homeError, homeFailure } from './home-failure.ts';
import { isFull, withReserve } from './reserve.ts';

export interface Journal {
  /**
   * Appends records, in the order of the calls, and resolves when they are on disk (fdatasync). Appends made while a
   * sync is under way share the next one. After one failure (SBX4008) every waiting and later append fails too.
   */
  append(records: readonly JournalRecord[]): Promise<void>;
  /** Waits for the appends that were made, then closes the file, which stays. */
  close(): Promise<void>;
}

/**
 * Makes the journal of an apply with its header, durable at return. The lock must be held and an older journal
 * folded into the state before (`settleJournal`): a journal that is there is a failure. `reserved` takes room from the
 * sandbox's reserve when the disk is full.
 */
export async function openJournal(
  layout: SandboxLayout,
  header: JournalHeader,
  { reserved = false }: { readonly reserved?: boolean } = {},
): Promise<Journal> {
  const { O_APPEND, O_CREAT, O_EXCL, O_WRONLY } = constants;
  const withRoom = <T>(work: () => Promise<T>): Promise<T> => (reserved ? withReserve(layout, work) : work());
  const make = () => open(layout.journalPath, O_APPEND | O_CREAT | O_EXCL | O_WRONLY, 0o600);
  const file = await withRoom(make).catch(homeFailure(`make the journal ${layout.journalPath}`));
  const journal = new JournalFile(file, layout.journalPath, withRoom);
  try {
    await journal.append([header]);
    await syncFolder(dirname(layout.journalPath));
  } catch (error) {
    await file.close();
    throw error;
  }
  return journal;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

class JournalFile implements Journal {
  readonly #file: FileHandle;
  readonly #path: string;
  #text = '';
  #waiters: Waiter[] = [];
  #writing: Promise<void> | undefined;
  #failure: SbxError | undefined;

  readonly #withRoom: (work: () => Promise<void>) => Promise<void>;
  /** Bytes that were written whole */
  #length = 0;

  constructor(file: FileHandle, path: string, withRoom: (work: () => Promise<void>) => Promise<void>) {
    this.#file = file;
    this.#path = path;
    this.#withRoom = withRoom;
  }

  append(records: readonly JournalRecord[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    this.#text += formatRecords(records);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#writing ??= this.#drain();
    });
  }

  async close(): Promise<void> {
    await this.#writing;
    this.#failure ??= new SbxError('SBX4008', `journal ${this.#path} is closed`);
    await this.#file.close();
  }

  /** Never rejects: failures go to the waiters. */
  async #drain(): Promise<void> {
    // One turn of the event loop: steps that end together share a sync.
    await undefined;
    while (this.#waiters.length > 0) {
      const [text, waiters] = [this.#text, this.#waiters];
      this.#text = '';
      this.#waiters = [];
      try {
        if (this.#failure === undefined) await this.#write(text);
      } catch (cause) {
        this.#failure = homeError(`write the journal ${this.#path}`, cause);
      }
      for (const waiter of waiters) {
        if (this.#failure === undefined) waiter.resolve();
        else waiter.reject(this.#failure);
      }
    }
    this.#writing = undefined;
  }

  async #write(text: string): Promise<void> {
    await this.#withRoom(async () => {
      try {
        await this.#file.appendFile(text);
        await this.#file.datasync();
      } catch (error) {
        // What was written before the disk was full would stand torn before what comes next.
        if (isFull(error)) await this.#file.truncate(this.#length);
        throw error;
      }
    });
    this.#length += Buffer.byteLength(text);
  }
}
