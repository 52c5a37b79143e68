// Formats of the state file: which one is current, and how older ones become it.

/** The version that this sbx writes. */
export const stateFormat = 1;

type Document = Readonly<Record<string, unknown>>;

/** From the version of its index, less one, to the next; each takes a state that is valid in its own version. */
const migrations: readonly ((state: Document) => Document)[] = [];

/** What became of a document: the current format, one that only a newer sbx knows, or no state at all. */
export type Migrated =
  | { readonly outcome: 'current'; readonly document: Document; readonly from: number }
  | { readonly outcome: 'newer'; readonly version: number }
  | { readonly outcome: 'unknown' };

/** Brings a parsed state file to the current format. Checks nothing but the version. */
export function migrateState(json: unknown): Migrated {
  if (typeof json !== 'object' || json === null) return { outcome: 'unknown' };
  const version = 'format_version' in json ? json.format_version : undefined;
  if (typeof version !== 'number' || !Number.isInteger(version) || version < 1) return { outcome: 'unknown' };
  if (version > stateFormat) return { outcome: 'newer', version };
  const document = migrations.slice(version - 1).reduce((state, migrate) => migrate(state), json as Document);
  return { outcome: 'current', document, from: version };
}
