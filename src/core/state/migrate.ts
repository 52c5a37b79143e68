// Formats of the state file: which one is current, and how older ones become it.

type Document = Readonly<Record<string, unknown>>;

/** From one version to the next; takes a state that is valid in its own version. The new `format_version` is set for it. */
export type Migration = (state: Document) => Document;

/** The first leads from version 1 to 2. Whoever adds one keeps a pair of files, before and after, as its test. */
const migrations: readonly Migration[] = [];

/** The version that this sbx writes. */
export const stateFormat: number = migrations.length + 1;

/** What became of a document: the current format, one that only a newer sbx knows, or no state at all. */
export type Migrated =
  | { readonly outcome: 'current'; readonly document: Document; readonly from: number }
  | { readonly outcome: 'newer'; readonly version: number }
  | { readonly outcome: 'unknown' };

/**
 * Brings a parsed state file to the current format, one version after the other. Checks nothing but the version. The file itself
 * stays until the next apply writes it, which keeps what was there as a backup.
 */
export function migrateState(json: unknown, steps: readonly Migration[] = migrations): Migrated {
  if (typeof json !== 'object' || json === null) return { outcome: 'unknown' };
  const from = 'format_version' in json ? json.format_version : undefined;
  if (typeof from !== 'number' || !Number.isInteger(from) || from < 1) return { outcome: 'unknown' };
  if (from > steps.length + 1) return { outcome: 'newer', version: from };
  let document = json as Document;
  for (const [index, migrate] of [...steps.entries()].slice(from - 1))
    document = { ...migrate(document), format_version: index + 2 };
  return { outcome: 'current', document, from };
}
