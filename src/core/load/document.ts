// A loaded document: the checked value of one or several files, and where things stand in them.
import type { Place } from '../diagnostic.ts';
import type { RawSandbox } from './raw.ts';

/** One file of text. */
export interface Source {
  /** Path as users know it, for messages */
  readonly path: string;
  readonly text: string;
  /** Lines that hold, or may hold, what is sensitive, as pairs of the first and the last: they are never shown */
  readonly secret?: 'all' | readonly (readonly [first: number, last: number])[];
}

/** Keys and indexes from the top of a file to a value. */
export type Path = readonly (string | number)[];

/** Which part of a map entry a place is about. */
export type Aspect = 'key' | 'value';

/** A file, or several merged into one, that passed the schema. */
export interface Document {
  readonly root: RawSandbox;
  readonly sources: readonly Source[];
  /** Keys that null takes away from a VM and its template, as paths below the VM */
  readonly removals: ReadonlyMap<string, readonly Path[]>;
  /** Defaults of variables that are numbers or switches, as they are written, where they read otherwise */
  readonly defaults: ReadonlyMap<string, string>;
  /** Where a value stands, or the nearest thing around it; positions are looked up on first use */
  readonly place: (path: Path, aspect?: Aspect) => Place | undefined;
  /** The same, but undefined when no file has that very path */
  readonly exactPlace: (path: Path, aspect?: Aspect) => Place | undefined;
}
