// The border where a parsed state file or journal line gets its type: schema, format version, and addresses.
import { kindOf } from '../address.ts';
import { type Checked, failed, ok } from '../checked.ts';
import { diagnostic } from '../diagnostic.ts';
import { validateRecord, validateState } from '../load/generated/stored.js';
import type { SchemaError, Validator } from '../load/generated/validate.js';
import type { JournalRecord } from './journal.ts';
import { migrateState, stateFormat } from './migrate.ts';
import type { State } from './state.ts';

/** The state that a parsed file holds: SBX4003 when a newer sbx wrote it, SBX4002 when it is none. `path` is for messages. */
export function checkState(json: unknown, path = 'The state'): Checked<State> {
  const migrated = migrateState(json);
  if (migrated.outcome === 'newer') return failed(newer(path, migrated.version));
  if (migrated.outcome === 'unknown') return failed(damaged(path, 'it has no format_version'));
  if (!validateState(migrated.document)) return failed(damaged(path, firstError(validateState)));
  // The validator has just seen every member.
  const state = migrated.document as unknown as State;
  const wrong = wrongAddress(state);
  return wrong === undefined ? ok(state) : failed(damaged(path, wrong));
}

/** The journal record that a parsed line holds, or why it is none. The first one must be `open`, no other may. */
export function checkRecord(json: unknown, first: boolean): JournalRecord | string {
  if (!validateRecord(json)) return firstError(validateRecord);
  const record = json as JournalRecord;
  if (first !== (record.type === 'open')) return first ? 'a journal begins with "open"' : 'a second "open"';
  if (record.type === 'begin' && record.record !== undefined && record.record.address !== record.address)
    return `it is about "${record.address}" and carries "${record.record.address}"`;
  return record;
}

/** What a schema cannot say: each address once, and of the kind that the record has. */
function wrongAddress(state: State): string | undefined {
  const seen = new Set<string>();
  for (const { address, kind } of state.resources) {
    if (seen.has(address)) return `"${address}" is recorded twice`;
    if (kindOf(address) !== kind) return `"${address}" is recorded as a ${kind}`;
    seen.add(address);
  }
  return undefined;
}

/** `/resources/3/attrs: "digest" is missing`; the validators stop at the first error. */
function firstError(validator: Validator): string {
  const errors = validator.errors ?? [];
  const error = errors.find((one) => one.keyword !== 'anyOf' && one.keyword !== 'oneOf') ?? errors[0];
  if (error === undefined) return 'it does not follow its schema';
  return `${error.instancePath === '' ? 'at its top' : `at ${error.instancePath}`} ${complaint(error)}`;
}

function complaint(error: SchemaError): string {
  const { params } = error;
  if (error.keyword === 'required') return `"${params['missingProperty']}" is missing`;
  if (error.keyword === 'type') return `should be ${params['type']}`;
  if (error.keyword === 'discriminator') return `"${params['tag']}" is ${JSON.stringify(params['tagValue'])}`;
  return `does not fit (${error.keyword})`;
}

function newer(path: string, version: number) {
  return diagnostic('SBX4003', {
    detail: `${path} has format ${version}; this sbx knows formats up to ${stateFormat}.`,
    hint: 'Use the sbx that wrote it, or a newer one.',
  });
}

function damaged(path: string, reason: string) {
  return diagnostic('SBX4002', { detail: `${path} is not a state that sbx wrote: ${reason}.` });
}
