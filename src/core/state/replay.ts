// Replay: a state and the records of a journal give what is recorded now. Linear in both.
import type { Address } from '../address.ts';
import type { AfterStep, JournalRecord } from './journal.ts';
import type { ResourceRecord, State } from './state.ts';

/**
 * The state after some records. Never fails: any prefix of a journal gives a valid state, and replaying two parts
 * one after the other equals replaying them together.
 *
 * `open` makes an empty state (serial 0) when there is none; `begin` stores the record that it carries and marks
 * it pending; `done` clears that mark and applies `after`; `failed` leaves the mark; `close` sets the outputs.
 * Records about an address that is not recorded, or before any `open`, change nothing. The serial never changes here: it counts writes of
 * the state file. A checkpoint is such a write of a replayed state: its serial is one more than the one that the
 * journal was opened on, which is how a journal that is already part of a state is known.
 */
export function replay(state: State, records: Iterable<JournalRecord>): State;
export function replay(state: State | undefined, records: Iterable<JournalRecord>): State | undefined;
export function replay(state: State | undefined, records: Iterable<JournalRecord>): State | undefined {
  let header = state;
  const resources = new Map<Address, ResourceRecord>(state?.resources.map((record) => [record.address, record]));
  for (const record of records) {
    if (header === undefined) header = record.type === 'open' ? emptyState(record) : undefined;
    else if (record.type === 'close') header = { ...header, outputs: record.outputs };
    else applyRecord(resources, record);
  }
  return header && { ...header, resources: [...resources.values()] };
}

/** Changes the resources as one record of the journal says; `open`, `close` and `failed` change none. */
export function applyRecord(resources: Map<Address, ResourceRecord>, record: JournalRecord): void {
  if (record.type === 'begin') begin(resources, record);
  else if (record.type === 'done') done(resources, record);
}

function emptyState(open: Extract<JournalRecord, { type: 'open' }>): State {
  return {
    format_version: 1,
    sbx_version: open.sbx_version ?? '',
    lineage: open.lineage,
    serial: open.serial,
    name: open.name,
    ...(open.instance === undefined ? {} : { instance: open.instance }),
    folder: open.folder,
    files: open.files,
    resources: [],
    outputs: {},
  };
}

function begin(resources: Map<Address, ResourceRecord>, begun: Extract<JournalRecord, { type: 'begin' }>): void {
  const record = begun.record ?? resources.get(begun.address);
  if (record === undefined) return;
  resources.set(begun.address, { ...record, pending: { step: begun.step, op: begun.op } });
}

function done(resources: Map<Address, ResourceRecord>, ended: Extract<JournalRecord, { type: 'done' }>): void {
  const record = resources.get(ended.address);
  if (record === undefined) return;
  if (ended.after.type === 'removed') resources.delete(ended.address);
  else resources.set(ended.address, patched(settled(record, ended.step), ended.after));
}

/** Another step of the same address may have begun since: its mark stays. */
function settled(record: ResourceRecord, step: string): ResourceRecord {
  if (record.pending?.step !== step) return record;
  const { pending: _, ...rest } = record;
  return rest as ResourceRecord;
}

type Patch = Extract<AfterStep, { type: 'patched' }>;

function patched(record: ResourceRecord, after: Patch): ResourceRecord {
  // A patch is made for the kind of its address; the union cannot say so.
  return {
    ...record,
    ...(after.status === undefined ? {} : { status: after.status }),
    ...(after.attrs === undefined ? {} : { attrs: { ...record.attrs, ...after.attrs } }),
    ...(after.facts === undefined && after.drops === undefined ? {} : { facts: factsAfter(record.facts, after) }),
    ...(after.dependsOn === undefined ? {} : { dependsOn: after.dependsOn }),
    ...(after.pending === undefined ? {} : { pending: after.pending }),
  } as ResourceRecord;
}

function factsAfter(facts: ResourceRecord['facts'], { facts: more, drops = [] }: Patch): ResourceRecord['facts'] {
  const kept = Object.entries(facts).filter(([name]) => !drops.some((dropped) => dropped === name));
  return { ...Object.fromEntries(kept), ...more };
}
