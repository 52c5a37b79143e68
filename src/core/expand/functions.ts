// The functions that references may call. A table: adding one is adding an entry.
import { quoted } from '../load/quote.ts';
import type { RawValue } from '../load/raw.ts';
import { hasFailed, isSensitive, known, unknown } from './cells.ts';
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
    run: (_context, [value = nothing, otherwise = nothing]) => orElse(value, otherwise),
  },
  join: {
    arguments: ['", "', 'list'],
    run: (_context, [separator = nothing, list = nothing]) => join(separator, list),
  },
  json: {
    arguments: ['value'],
    run: (_context, [value = nothing]) => {
      if (value.ok) return known(JSON.stringify(value.value), value.sensitive);
      return value.unknown === undefined ? value : unknown(value.unknown.sensitive, 'string');
    },
  },
};

function orElse(value: Evaluated, otherwise: Evaluated): Evaluated {
  if (!value.ok && value.optional) return otherwise;
  if (value.ok || value.unknown === undefined) return value;
  return hasFailed(otherwise) ? otherwise : unknown(isSensitive(value) || isSensitive(otherwise));
}

function join(separator: Evaluated, list: Evaluated): Evaluated {
  if (hasFailed(separator)) return separator;
  if (hasFailed(list)) return list;
  const sensitive = isSensitive(separator) || isSensitive(list);
  if (!fitsAs(separator, 'string') || !fitsAs(list, 'list')) {
    const words = sensitive ? 'other values' : `${shownValue(separator)} and ${shownValue(list)}`;
    const detail = `join(", ", list) takes text and a list of single values, not ${words}.`;
    return { ok: false, problem: { code: 'SBX2106', detail } };
  }
  if (!separator.ok || !list.ok) return unknown(sensitive, 'string');
  return known((list.value as readonly RawValue[]).join(String(separator.value)), sensitive);
}

function fitsAs(found: Evaluated, type: 'string' | 'list'): boolean {
  if (!found.ok) return found.unknown?.type === undefined || found.unknown.type === type;
  if (type === 'string') return typeof found.value === 'string';
  return Array.isArray(found.value) && found.value.every((item: RawValue) => typeof item !== 'object');
}

function shownValue(found: Evaluated): string {
  return found.ok ? quoted(found.value) : `a ${found.unknown?.type ?? 'value'}`;
}

function readFile(context: Context, path: Evaluated, part: 'text' | 'sha256'): Evaluated {
  if (!path.ok && path.unknown === undefined) return path;
  const file = path.ok && typeof path.value === 'string' ? context.inputs.files.get(path.value) : undefined;
  if (!path.ok || file === undefined) {
    const shown = path.ok && !path.sensitive ? `, and this one is ${quoted(path.value)}` : '';
    const detail = `The path of a file must stand in the reference itself, in quotes${shown}.`;
    return { ok: false, problem: { code: 'SBX2106', detail } };
  }
  if ('code' in file) {
    const hint = file.hint === undefined ? {} : { hint: file.hint };
    return { ok: false, problem: { code: file.code, detail: file.detail, ...hint }, optional: file.code === 'SBX1001' };
  }
  const value = file[part];
  if (value !== undefined) return known(value, path.sensitive);
  return {
    ok: false,
    problem: {
      code: 'SBX2106',
      detail: `${path.sensitive ? 'The file' : quoted(path.value)} is too long or no text; file.read takes up to 64 KiB of UTF-8.`,
    },
  };
}
