// An apply as one JSON document per line: schemas/events.schema.json.

import { plainJson } from '../../core/render/paint.ts';
import { planDocument } from '../../core/render/plan-json.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { View, ViewOptions } from '../view.ts';

/** A view that writes one event per line. `now` gives the time of a line. */
export function makeJsonView(options: Pick<ViewOptions, 'stream'>, now: () => Date = () => new Date()): View {
  const emit = (event: EngineEvent): void => {
    const body = event.type === 'apply-started' ? { ...event, plan: planDocument(event.plan) } : event;
    options.stream.write(`${plainJson({ format_version: 1, time: now().toISOString(), ...body }, brief)}\n`);
  };
  return { emit, interrupting: () => undefined, close: async () => undefined };
}

/** Times are measured finer than anybody needs. */
function brief(key: string, value: unknown): unknown {
  return key === 'elapsedMs' && typeof value === 'number' ? Math.round(value * 10) / 10 : value;
}
