// What an image is to the planner: a digest that must be in the cache before a VM boots from it.
import { diagnostic } from '../../core/diagnostic.ts';
import { draftStep, free, idsOf } from '../../core/plan/change.ts';
import { type KindRules, noOutcome, type Outcome, type Subject } from '../../core/plan/context.ts';
import type { FieldChange } from '../../core/plan/plan.ts';
import { absent, isSame, shown } from '../../core/plan/values.ts';
import type { ImageAttrs } from '../../core/state/attrs.ts';
import type { ImageRecord } from '../../core/state/state.ts';
import { usersOf } from '../in-use.ts';

type ImageSubject = Subject<ImageAttrs, ImageRecord>;

export const imageRules: KindRules<'image'> = {
  toAttrs: (desired, context) => ({
    source: desired.source,
    digest: context.observed.images.get(desired.address)?.digest ?? '',
  }),
  dependsOn: () => [],
  plan: (subject, context) => {
    if (subject.attrs === undefined) return usersOf(subject.address, context).length > 0 ? noOutcome : release(subject);
    const observation = context.observed.images.get(subject.address);
    if (observation?.problem !== undefined) {
      context.report(diagnostic('SBX3120', { address: subject.address, detail: observation.problem }));
    }
    if (subject.record === undefined || subject.record.status !== 'ready') return create(subject, subject.attrs);
    return update(subject.address, subject.attrs, subject.record, observation?.cached ?? true);
  },
};

function ensureStep(
  subject: Pick<ImageSubject, 'address'>,
  attrs: ImageAttrs,
  before?: ImageRecord,
): ReturnType<typeof draftStep> {
  return draftStep(
    subject.address,
    { op: 'image.ensure', source: attrs.source, digest: attrs.digest },
    {
      reaches: ['present'],
      after: { type: 'patched', status: 'ready', attrs },
      ...(before === undefined ? {} : { before }),
    },
  );
}

function create(subject: ImageSubject, attrs: ImageAttrs): Outcome {
  const before: ImageRecord = {
    kind: 'image',
    address: subject.address,
    status: 'creating',
    attrs,
    facts: {},
    dependsOn: [],
  };
  const steps = [ensureStep(subject, attrs, before)];
  const resumes = subject.record !== undefined;
  return {
    steps,
    drift: [],
    change: { action: 'create', address: subject.address, fields: [], resumes, steps: idsOf(steps), price: free },
  };
}

function update(address: ImageRecord['address'], attrs: ImageAttrs, record: ImageRecord, cached: boolean): Outcome {
  const fields: FieldChange[] = [];
  const changed = (field: string, from: unknown, to: unknown, reason: string): void => {
    if (!isSame(from, to)) fields.push({ field, from: shown(from), to: shown(to), impact: 'live', reason });
  };
  changed('source', record.attrs.source, attrs.source, 'only new boots use it');
  changed('digest', record.attrs.digest, attrs.digest, 'its inputs changed; only new boots use it');
  const drift = cached
    ? []
    : [{ address, field: 'cache', recorded: shown('present'), observed: absent, remedy: remedyFor(attrs) }];
  if (!cached)
    fields.push({
      field: 'cache',
      from: absent,
      to: shown('present'),
      impact: 'live',
      reason: 'the cache has lost it',
    });
  if (fields.length === 0) return noOutcome;
  const steps = [ensureStep({ address }, attrs)];
  return {
    steps,
    drift,
    change: { action: 'update', address, fields, impact: 'live', steps: idsOf(steps), price: free },
  };
}

function remedyFor({ source }: ImageAttrs): string {
  return source.type === 'files' ? 'take its files again' : 'build it again';
}

function release(subject: ImageSubject): Outcome {
  const steps = [draftStep(subject.address, { op: 'image.release' }, { after: { type: 'removed' } })];
  const because = 'the file no longer uses it; the cache keeps it until sbx image prune';
  return {
    steps,
    drift: [],
    change: { action: 'forget', address: subject.address, because, steps: idsOf(steps), price: free },
  };
}
