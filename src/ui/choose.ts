// Which view shows an apply: events for programs, a drawing on a terminal, lines everywhere else.
import { makeJsonView } from './json/json-view.ts';
import { makePlainView } from './plain/plain-view.ts';
import type { View, ViewOptions } from './view.ts';

/** Where and how an apply is shown. */
export interface ViewChoice extends ViewOptions {
  /** `json` goes to standard output, the others to standard error */
  readonly kind: 'json' | 'plain' | 'ink';
}

/** Makes the view; Ink is loaded only when it is chosen. */
export async function makeView({ kind, ...options }: ViewChoice): Promise<View> {
  if (kind === 'json') return makeJsonView(options);
  if (kind === 'plain') return makePlainView(options);
  const { makeInkView } = await import('./ink/ink-view.tsx');
  return makeInkView(options);
}
