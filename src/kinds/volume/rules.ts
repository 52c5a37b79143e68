// What a volume is to the planner: a disk with a life of its own, which only grows and goes only when told twice.
import type { Address } from '../../core/address.ts';
import { diagnostic } from '../../core/diagnostic.ts';
import { draftStep, free, idsOf } from '../../core/plan/change.ts';
import {
  type DraftStep,
  type KindRules,
  noOutcome,
  type Outcome,
  type PlanContext,
  type Subject,
} from '../../core/plan/context.ts';
import type { Drift, FieldChange } from '../../core/plan/plan.ts';
import { absent, shown } from '../../core/plan/values.ts';
import type { VolumeAttrs } from '../../core/state/attrs.ts';
import type { VolumeRecord } from '../../core/state/state.ts';
import { formatSize } from '../../core/units.ts';
import { costOf, impactTable } from '../impacts.ts';
import { refuseInUse } from '../in-use.ts';

type VolumeSubject = Subject<VolumeAttrs, VolumeRecord>;

export const volumeRules: KindRules<'volume'> = {
  toAttrs: (desired) => ({ sizeBytes: desired.sizeBytes, protect: desired.protect }),
  dependsOn: () => [],
  plan: (subject, context) => {
    const { attrs, record } = subject;
    if (attrs === undefined) return record === undefined ? noOutcome : remove(subject, record, context);
    const observation = context.observed.volumes.get(subject.address);
    if (record === undefined || record.status !== 'ready') return create(subject, attrs, []);
    if (observation !== undefined && !observation.present) return create(subject, attrs, lost(record));
    return update(subject, attrs, record, observation?.sizeBytes ?? record.attrs.sizeBytes, context);
  },
};

function create(subject: VolumeSubject, attrs: VolumeAttrs, drift: readonly Drift[]): Outcome {
  const before: VolumeRecord = {
    kind: 'volume',
    address: subject.address,
    status: 'creating',
    attrs,
    facts: {},
    dependsOn: [],
  };
  const after = { type: 'patched', status: 'ready', attrs } as const;
  const steps = [draftStep(subject.address, { op: 'volume.create', attrs }, { reaches: ['present'], before, after })];
  const fields = [sizeField(undefined, attrs.sizeBytes)];
  const resumes = subject.record !== undefined && drift.length === 0;
  return {
    steps,
    drift,
    change: { action: 'create', address: subject.address, fields, resumes, steps: idsOf(steps), price: free },
  };
}

function lost(record: VolumeRecord): readonly Drift[] {
  const remedy = 'create it again, empty; what it held is gone';
  return [{ address: record.address, field: 'file', recorded: shown('present'), observed: absent, remedy }];
}

function sizeField(from: number | undefined, to: number): FieldChange {
  const { more } = impactTable['volumes.*.size'].cases;
  const reason = from === undefined ? 'new' : more.why;
  return { field: 'size', from: shown(from), to: shown(to), impact: more.impact, reason, unit: 'bytes' };
}

function update(
  subject: VolumeSubject,
  attrs: VolumeAttrs,
  record: VolumeRecord,
  observedBytes: number,
  context: PlanContext,
): Outcome {
  const { address } = subject;
  const drift: Drift[] = [];
  if (observedBytes !== record.attrs.sizeBytes) {
    const remedy =
      observedBytes < attrs.sizeBytes
        ? 'grow it'
        : observedBytes === attrs.sizeBytes
          ? 'none: the file asks for the same now'
          : 'none: a volume is never cut';
    drift.push({
      address,
      field: 'size',
      recorded: shown(record.attrs.sizeBytes),
      observed: shown(observedBytes),
      remedy,
      unit: 'bytes',
    });
  }
  if (attrs.sizeBytes < record.attrs.sizeBytes) {
    const detail = `${address} has ${formatSize(Math.max(observedBytes, record.attrs.sizeBytes))} and cannot be cut to ${formatSize(attrs.sizeBytes)}: its end would be lost.`;
    context.report(diagnostic('SBX3110', { address, detail, hint: 'Declare a new volume and copy what you need.' }));
    return { steps: [], drift };
  }
  const fields: FieldChange[] = [];
  const steps: DraftStep[] = [];
  if (attrs.sizeBytes > Math.min(observedBytes, record.attrs.sizeBytes)) {
    fields.push(sizeField(Math.min(observedBytes, record.attrs.sizeBytes), attrs.sizeBytes));
    const after = { type: 'patched', attrs: { sizeBytes: attrs.sizeBytes } } as const;
    steps.push(draftStep(address, { op: 'volume.grow', sizeBytes: attrs.sizeBytes }, { reaches: ['present'], after }));
  }
  if (attrs.protect !== record.attrs.protect) {
    const cost = costOf(impactTable['volumes.*.protect'].cases.changed);
    fields.push({ field: 'protect', from: shown(record.attrs.protect), to: shown(attrs.protect), ...cost });
    steps.push(draftStep(address, { op: 'record' }, { after: { type: 'patched', attrs: { protect: attrs.protect } } }));
  }
  if (fields.length === 0) return { steps: [], drift };
  return {
    steps,
    drift,
    change: { action: 'update', address, fields, impact: 'live', steps: idsOf(steps), price: free },
  };
}

/** A destroy leaves it, and says so: nobody else would know. */
function keep(address: Address, { attrs }: VolumeRecord, context: PlanContext): Outcome {
  context.report(
    diagnostic('SBX3144', {
      address,
      detail: `${address} is marked protect and stays, with ${formatSize(attrs.sizeBytes)} of content.`,
      hint: 'Remove it too with:\nsbx destroy --purge',
    }),
  );
  return noOutcome;
}

function remove(subject: VolumeSubject, record: VolumeRecord, context: PlanContext): Outcome {
  const { address } = subject;
  if (record.attrs.protect && !context.options.purge) {
    if (context.mode === 'destroy') return keep(address, record, context);
    const detail = `${address} is marked protect, and the file no longer declares it.`;
    context.report(
      diagnostic('SBX3111', {
        address,
        detail,
        hint: 'Put it back, or apply it once with protect: false before you remove it.',
      }),
    );
    return noOutcome;
  }
  if (refuseInUse(address, context)) return noOutcome;
  const before: VolumeRecord = { ...record, status: 'deleting' };
  const requires = context.dependants(address).map((dependant) => ({ address: dependant, point: 'gone' as const }));
  const steps = [draftStep(address, { op: 'volume.delete' }, { before, requires, after: { type: 'removed' } })];
  const because = context.mode === 'destroy' ? 'the sandbox goes' : 'the file no longer declares it';
  return {
    steps,
    drift: [],
    change: {
      action: 'delete',
      address,
      because,
      steps: idsOf(steps),
      price: { ...free, lostDisks: [{ name: address, sizeBytes: record.attrs.sizeBytes }] },
    },
  };
}
