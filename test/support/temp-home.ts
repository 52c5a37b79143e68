// A home for one test: a short folder under /tmp, since sockets have short paths, removed at the end.
import { mkdtempSync, rmSync } from 'node:fs';
import type { Test } from 'tap';
import type { JournalRecord } from '../../src/core/state/journal.ts';
import type { JournalHeader } from '../../src/core/state/journal-text.ts';
import type { ResourceRecord, State } from '../../src/core/state/state.ts';
import { type Home, resolveHome, type SandboxLayout, sandboxLayout } from '../../src/store/home.ts';

/** A fresh home that goes with the test. */
export function temporaryHome(t: Test): Home {
  const folder = mkdtempSync('/tmp/sbx-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return resolveHome({ flag: folder, environment: {}, uid: 1000 });
}

/** The layout of a sandbox with a good name. */
export function layoutOf(home: Home, name = 'shop', instance?: string): SandboxLayout {
  const layout = sandboxLayout(home, instance === undefined ? { name } : { name, instance });
  if (layout.ok) return layout.value;
  throw new TypeError(layout.diagnostics[0].detail);
}

/** The first record of a journal on a state; without one, of the very first apply. */
export function headerFor(layout: SandboxLayout, state?: State): JournalHeader {
  return {
    type: 'open',
    format_version: 1,
    lineage: state?.lineage ?? 'lineage-1',
    serial: state?.serial ?? 0,
    command: 'sbx apply',
    pid: process.pid,
    atMs: 1,
    name: layout.name,
    ...(layout.instance === undefined ? {} : { instance: layout.instance }),
    folder: '/work',
    files: ['/work/sbx.yaml'],
  };
}

/** A small state. */
export function stateOf(layout: SandboxLayout, resources: readonly ResourceRecord[] = []): State {
  const { lineage, serial, name, folder, files } = headerFor(layout);
  const instance = layout.instance === undefined ? {} : { instance: layout.instance };
  return {
    format_version: 1,
    sbx_version: '1',
    lineage,
    serial,
    name,
    ...instance,
    folder,
    files,
    resources,
    outputs: {},
  };
}

/** A recorded volume. */
export function volumeRecord(name: string, sizeBytes = 1): ResourceRecord {
  return {
    kind: 'volume',
    address: `volume.${name}` as ResourceRecord['address'],
    status: 'ready',
    attrs: { sizeBytes, protect: false },
    facts: {},
    dependsOn: [],
  };
}

/** The record of a step that makes a volume. */
export function beginVolume(name: string): JournalRecord {
  const record = volumeRecord(name);
  return { type: 'begin', step: `${record.address}/create`, op: 'volume.create', address: record.address, record };
}
