// An apply as lines that read well in the log of a CI job: one when a step takes its time, one when it ends.
import { makePaint, type Paint, plainText } from '../../core/render/paint.ts';
import { roughDuration } from '../../core/render/quantity.ts';
import { doingWords, doneWords, isQuiet } from '../../core/render/step-words.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { View, ViewOptions } from '../view.ts';

/** Least time between two lines of progress of one step, in `ms`. */
const progressEveryMs = 5000;
/** Steps that end sooner are told once, at their end; `ms`. */
const announceAfterMs = 300;

/** A view that writes lines. `now` is a clock in `ms`. */
export function makePlainView(options: ViewOptions, now: () => number = () => performance.now()): View {
  const paint = makePaint(options.color);
  const toldAt = new Map<string, number>();
  const waiting = new Map<string, NodeJS.Timeout>();
  const write = (line: string | undefined): void => {
    if (line !== undefined) options.stream.write(`${line}\n`);
  };
  const forget = (step: string): void => {
    clearTimeout(waiting.get(step));
    waiting.delete(step);
  };
  const emit = (event: EngineEvent): void => {
    if (event.type === 'step-started') {
      const tell = (): void => write(lineOf(event, paint));
      waiting.set(event.step, setTimeout(tell, announceAfterMs));
      return;
    }
    if (event.type === 'step-progress') {
      if (now() - (toldAt.get(event.step) ?? Number.NEGATIVE_INFINITY) < progressEveryMs) return;
      toldAt.set(event.step, now());
    } else if ('step' in event) {
      forget(event.step);
    }
    write(lineOf(event, paint));
  };
  return {
    emit,
    interrupting: () => undefined,
    close: async () => [...waiting.keys()].forEach(forget),
  };
}

/** The line of an event; undefined where others say enough. */
function lineOf(event: EngineEvent, paint: Paint): string | undefined {
  if ('op' in event && isQuiet(event.op) && event.type !== 'step-failed') return undefined;
  switch (event.type) {
    case 'step-started':
      return `${event.address}: ${doingWords(event.op)}`;
    case 'step-progress':
      return paint.dim(`${event.address}: ${plainText(event.text)}`);
    case 'step-done':
      return `${event.address}: ${doneWords(event.op)} (${roughDuration(event.elapsedMs)})`;
    case 'step-failed': {
      const [first = ''] = plainText(event.diagnostic.detail).split('\n');
      return paint.red(`${event.address}: ${doingWords(event.op)} failed: ${event.diagnostic.code} ${first}`);
    }
    case 'interrupted':
      return paint.yellow(`${event.signal}: finishing what runs; once more stops at once`);
    case 'rollback-started':
      return paint.yellow(`undoing what was done: ${event.addresses.join(', ') || 'nothing can be undone'}`);
    case 'step-skipped':
    case 'change-undone':
    case 'change-done':
    case 'apply-started':
    case 'apply-ended':
      // The closing table names every address that did not get there, once.
      return undefined;
  }
}
