// Where every resource of an apply is, folded from the engine's events.
import type { Address } from '../../core/address.ts';
import type { Change, Plan } from '../../core/plan/plan.ts';
import { doingWords, doneWords, isQuiet } from '../../core/render/step-words.ts';
import type { EngineEvent } from '../../engine/events.ts';

/** One resource: nothing yet, at work, or how it ended. */
export type Row = { readonly address: Address; readonly action: Change['action'] } & (
  | { readonly state: 'waiting' }
  | { readonly state: 'working'; readonly sinceMs: number; readonly words: string; readonly running: number }
  | { readonly state: 'done' | 'skipped' | 'undone'; readonly elapsedMs: number; readonly words: string }
  | { readonly state: 'failed'; readonly elapsedMs: number; readonly words: string }
);

/** The whole apply. */
export interface Progress {
  readonly startedMs: number;
  readonly rows: Map<Address, Row>;
  interrupted: boolean;
  /** Set once the engine is done */
  endedMs?: number;
}

/** Every resource of the plan, waiting. */
export function startProgress(plan: Plan, nowMs: number): Progress {
  const rows = plan.changes.map(({ address, action }) => [address, { address, action, state: 'waiting' }] as const);
  return { startedMs: nowMs, rows: new Map<Address, Row>(rows), interrupted: false };
}

/** Takes one event in. Changes the progress in place: an apply of thousands has ten thousands of events. */
export function takeEvent(progress: Progress, event: EngineEvent, nowMs: number): void {
  switch (event.type) {
    case 'step-started':
      work(progress, event.address, nowMs, isQuiet(event.op) ? undefined : doingWords(event.op), 1);
      break;
    case 'step-progress':
      work(progress, event.address, nowMs, event.text, 0);
      break;
    case 'step-done':
      work(progress, event.address, nowMs, isQuiet(event.op) ? undefined : doneWords(event.op), -1);
      break;
    case 'step-failed': {
      const [first = ''] = event.diagnostic.detail.split('\n');
      end(progress, event.address, 'failed', `${event.diagnostic.code} ${first}`, nowMs);
      break;
    }
    case 'step-skipped':
      end(progress, event.address, 'skipped', event.because, nowMs);
      break;
    case 'change-done':
      end(progress, event.address, 'done', lastWords[event.action], nowMs);
      break;
    case 'change-undone': {
      const row = progress.rows.get(event.address);
      // What failed stays as such, with its reason.
      if (row !== undefined && row.state !== 'failed')
        progress.rows.set(event.address, { ...row, state: 'undone', elapsedMs: 0, words: 'undone' });
      break;
    }
    case 'rollback-started':
      break;
    case 'interrupted':
      progress.interrupted = true;
      break;
    case 'apply-ended':
      progress.endedMs = nowMs;
      break;
    case 'apply-started':
      break;
  }
}

const lastWords: Readonly<Record<Change['action'], string>> = {
  create: 'created',
  update: 'changed',
  replace: 'replaced',
  delete: 'destroyed',
  forget: 'forgotten',
};

function work(progress: Progress, address: Address, nowMs: number, words: string | undefined, more: -1 | 0 | 1): void {
  const row = progress.rows.get(address) ?? { address, action: 'update', state: 'waiting' };
  if (row.state !== 'waiting' && row.state !== 'working') return;
  const before = row.state === 'working' ? row : { sinceMs: nowMs, words: '', running: 0 };
  progress.rows.set(address, {
    address,
    action: row.action,
    state: 'working',
    sinceMs: before.sinceMs,
    words: words ?? before.words,
    running: Math.max(0, before.running + more),
  });
}

function end(
  progress: Progress,
  address: Address,
  state: 'done' | 'failed' | 'skipped',
  words: string,
  nowMs: number,
): void {
  const row = progress.rows.get(address);
  // The first reason is the one that counts: what was skipped after a failure does not hide it.
  if (row === undefined || row.state === 'failed' || row.state === 'skipped') return;
  const elapsedMs = row.state === 'working' ? nowMs - row.sinceMs : 0;
  progress.rows.set(address, { address, action: row.action, state, elapsedMs, words });
}
