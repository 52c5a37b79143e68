// Text with references to values. A text that is one reference keeps the type of what it refers to.

import { suggestion } from '../load/nearest.ts';
import { quoted } from '../load/quote.ts';
import { fails, isSensitive, known, unknown } from './cells.ts';
import type { Context, Evaluated, Scope } from './context.ts';
import { functions } from './functions.ts';
import { lookUp } from './lookups.ts';
import type { Problem } from './problem.ts';
import { type Expression, type ParsedText, parseText } from './text.ts';

const longestText = 65_536;
const mostText = 32 * 1024 * 1024;

/** The value of a text. */
export function evaluateText(context: Context, scope: Scope, text: string): Evaluated {
  const parsed = parsedText(context, text);
  if (!parsed.ok) return fails({ code: 'SBX2101', detail: parsed.detail, hint: 'for a literal ${ write $${' });
  const [only] = parsed.parts;
  if (parsed.parts.length === 1 && only !== undefined)
    return typeof only === 'string' ? known(only) : evaluate(context, scope, only);
  return concatenate(context, scope, parsed.parts);
}

function parsedText(context: Context, text: string): ParsedText {
  const before = context.parsed.get(text);
  if (before !== undefined) return before;
  const parsed = parseText(text);
  context.parsed.set(text, parsed);
  return parsed;
}

function concatenate(context: Context, scope: Scope, parts: readonly (string | Expression)[]): Evaluated {
  let text = '';
  let sensitive = false;
  let open = false;
  for (const part of parts) {
    const found = typeof part === 'string' ? known(part) : evaluate(context, scope, part);
    if (!found.ok && found.unknown === undefined) return found;
    const problem = notText(found);
    if (problem !== undefined) return fails(problem);
    open ||= !found.ok;
    sensitive ||= isSensitive(found);
    if (found.ok) text += found.text ?? String(found.value);
    if (text.length > longestText) break;
  }
  return open ? unknown(sensitive, 'string') : bounded(context, text, sensitive);
}

function notText(found: Evaluated): Problem | undefined {
  const list = found.ok ? typeof found.value === 'object' : found.unknown?.type === 'list';
  if (!list) return undefined;
  const what = found.ok ? quoted(found.value) : 'a list';
  return {
    code: 'SBX2106',
    detail: `Text cannot hold ${what}.`,
    hint: 'make text of it with join(", ", …) or json(…)',
  };
}

/** A new text, unless it is too long or all new texts together are. */
function bounded(context: Context, text: string, sensitive: boolean): Evaluated {
  context.grown += text.length;
  if (text.length > longestText || context.grown > mostText)
    return fails({
      code: 'SBX2103',
      detail: 'A text may grow to 65536 characters, all of them together to 32 million.',
    });
  return { ok: true, value: text, sensitive };
}

function evaluate(context: Context, scope: Scope, expression: Expression): Evaluated {
  switch (expression.type) {
    case 'literal':
      return { ...known(expression.value), ...(expression.text === undefined ? {} : { text: expression.text }) };
    case 'path':
      return lookUp(context, scope, expression.steps, expression.text);
    case 'call':
      return call(context, scope, expression);
  }
}

function call(context: Context, scope: Scope, expression: Extract<Expression, { type: 'call' }>): Evaluated {
  const entry = Object.hasOwn(functions, expression.name) ? functions[expression.name] : undefined;
  if (entry === undefined)
    return fails({
      code: 'SBX2104',
      detail: `There is no function ${quoted(expression.name)}.`,
      ...(suggestion(expression.name, Object.keys(functions)).hint === undefined
        ? { hint: `functions: ${Object.keys(functions).join(', ')}` }
        : suggestion(expression.name, Object.keys(functions))),
    });
  if (expression.args.length !== entry.arguments.length)
    return fails({ code: 'SBX2101', detail: `Write ${expression.name}(${entry.arguments.join(', ')}).` });
  if (context.grown > mostText) return bounded(context, '', false);
  const args = expression.args.map((arg) => evaluate(context, scope, arg));
  const result = entry.run(context, args);
  return result.ok && typeof result.value === 'string' ? bounded(context, result.value, result.sensitive) : result;
}
