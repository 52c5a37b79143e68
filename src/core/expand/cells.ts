// Values made once while a file is expanded, and the guard against values that ask for themselves.
import type { RawValue } from '../load/raw.ts';
import type { Context, Evaluated, Unknown } from './context.ts';
import type { Problem } from './problem.ts';

const deepestChain = 100;

/** Makes a value that references ask for, once; a value that asks for itself is a circle. */
export function cell(context: Context, name: string, make: () => Evaluated): Evaluated {
  const before = context.cells.get(name);
  if (before !== undefined) return before;
  if (context.open.has(name)) return fails(circle(context, name));
  if (context.open.size >= deepestChain)
    return fails({ code: 'SBX2105', detail: `References form a chain of more than ${deepestChain}.` });
  context.open.add(name);
  const made = make();
  context.open.delete(name);
  context.cells.set(name, made);
  return made;
}

function circle(context: Context, name: string): Problem {
  const open = [...context.open];
  const path = [...open.slice(open.indexOf(name)), name];
  return { code: 'SBX2105', detail: `This value depends on itself: ${path.join(' → ')}.` };
}

/** A value that was found. */
export function known(value: RawValue, sensitive = false): Evaluated {
  return { ok: true, value, sensitive };
}

/** A failure to be reported at the text that was being evaluated. */
export function fails(problem: Problem): Evaluated {
  return { ok: false, problem };
}

/** A value that is there and that nobody knows yet. */
export function unknown(sensitive: boolean, type?: Unknown['type']): Evaluated {
  return { ok: false, unknown: { sensitive, ...(type === undefined ? {} : { type }) } };
}

/** Whether a value, known or not, is sensitive. Failures hold none. */
export function isSensitive(found: Evaluated): boolean {
  return found.ok ? found.sensitive : found.unknown?.sensitive === true;
}

/** Whether something failed: what is not known did not. */
export function hasFailed(found: Evaluated): boolean {
  return !found.ok && found.unknown === undefined;
}
