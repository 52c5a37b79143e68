// The functions that references may call. A table: adding one is adding an entry.
import { quoted } from '../load/quote.ts';
import type { RawValue } from '../load/raw.ts';
import type { Context, Evaluated } from './context.ts';

interface Entry {
  readonly arguments: readonly string[];
  readonly run: (context: Context, args: readonly Evaluated[]) => Evaluated;
}

const nothing: Evaluated = { ok: false };

export const functions: Readonly<Record<string, Entry>> = {
  'file.read': { arguments: ['"path"'], run: (context, [path = nothing]) => readFile(context, path, 'text') },
  'file.sha256': { arguments: ['"path"'], run: (context, [path = nothing]) => readFile(context, path, 'sha256') },
  default: {
    arguments: ['value', 'otherwise'],
    run: (_context, [value = nothing, otherwise = nothing]) => (!value.ok && value.optional ? otherwise : value),
  },
  join: {
    arguments: ['", "', 'list'],
    run: (_context, [separator = nothing, list = nothing]) => join(separator, list),
  },
  json: {
    arguments: ['value'],
    run: (_context, [value = nothing]) => (value.ok ? { ...value, value: JSON.stringify(value.value) } : value),
  },
};

function join(separator: Evaluated, list: Evaluated): Evaluated {
  if (!separator.ok) return separator;
  if (!list.ok) return list;
  const fits =
    typeof separator.value === 'string' &&
    Array.isArray(list.value) &&
    list.value.every((item: RawValue) => typeof item !== 'object');
  if (!fits)
    return {
      ok: false,
      problem: {
        code: 'SBX2106',
        detail: `join(", ", list) takes text and a list of single values, not ${quoted(separator.value)} and ${quoted(list.value)}.`,
      },
    };
  const text = (list.value as readonly RawValue[]).join(String(separator.value));
  return { ok: true, value: text, sensitive: separator.sensitive || list.sensitive };
}

function readFile(context: Context, path: Evaluated, part: 'text' | 'sha256'): Evaluated {
  if (!path.ok) return path;
  const file = typeof path.value === 'string' ? context.inputs.files.get(path.value) : undefined;
  if (file === undefined)
    return {
      ok: false,
      problem: {
        code: 'SBX2106',
        detail: `The path of a file must stand in the reference itself, in quotes, and this one is ${quoted(path.value)}.`,
      },
    };
  if ('code' in file) {
    const hint = file.hint === undefined ? {} : { hint: file.hint };
    return { ok: false, problem: { code: file.code, detail: file.detail, ...hint }, optional: file.code === 'SBX1001' };
  }
  const value = file[part];
  if (value !== undefined) return { ok: true, value, sensitive: false };
  return {
    ok: false,
    problem: {
      code: 'SBX2106',
      detail: `${quoted(path.value)} is too long or no text; file.read takes up to 64 KiB of UTF-8.`,
    },
  };
}
