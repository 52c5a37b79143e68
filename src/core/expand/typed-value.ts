// A value given for a variable in the type that is declared: from text of the command line, and from scalars of a file.
import type { RawVariable } from '../load/raw.ts';
import { settleFree, settleScalar, settleText } from '../load/settle.ts';
import { parseYaml, plainScalar } from '../load/yaml.ts';

/** A value with how it was written, where it reads otherwise. */
export interface Typed {
  readonly value: unknown;
  readonly text?: string;
  /** Whether it is a number that can be held as it is written */
  readonly exact: boolean;
}

/** A value of a variable file, or a default, in the declared type as far as it goes. */
export function typedValue({ type = 'string' }: RawVariable, value: unknown): Typed {
  if (type === 'string') return { value: settleText(value), exact: true };
  if (type === 'list') return { value: settleFree(value), exact: true };
  return settleScalar(value);
}

/** Text from a flag or the environment. It means what it would mean unquoted in a file; a list is `a,b` or `["a", "b"]`. */
export function typedText(variable: RawVariable, text: string): Typed {
  switch (variable.type ?? 'string') {
    case 'string':
      return { value: text, exact: true };
    case 'list':
      return { value: listOf(text), exact: true };
    case 'integer':
    case 'number':
    case 'boolean':
      return typedValue(variable, plainScalar(text));
  }
}

function listOf(text: string): unknown {
  if (text === '') return [];
  const parsed = /^\s*\[.*\]\s*$/s.test(text) ? parseYaml({ path: '', text, secret: 'all' }) : undefined;
  if (parsed?.ok === true && Array.isArray(parsed.value)) return settleFree(parsed.value);
  return text.split(',').map((item) => item.trim());
}
