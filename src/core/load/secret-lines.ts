// Which lines of the files may hold a sensitive value: the declarations of sensitive variables, and whatever repeats their
// defaults. Errors point at such lines and do not show them.
import type { Path, Source } from './document.ts';
import { nearest } from './nearest.ts';
import { placeFinder } from './places.ts';
import { own } from './raw.ts';
import { isSpelled, isTree } from './spelled.ts';

/** Shorter texts stand in too many lines that have nothing to do with them. */
const shortestSecret = 3;

/** The sources with their secret lines, by what they say together; `root` is their merged value. */
export function withSecretLines(
  sources: readonly Source[],
  root: Readonly<Record<string, unknown>>,
): readonly Source[] {
  const names = sensitiveNames(root);
  if (names.length === 0) return sources;
  const variables = own(root, 'variables');
  const texts = names.flatMap((name) => textsOf(isTree(variables) ? own(variables, name) : undefined));
  return sources.map((source) => {
    const finder = placeFinder(source);
    const declared = names.flatMap((name) => {
      const lines = finder.lines(['variables', name]);
      return lines === undefined ? [] : [lines];
    });
    return { ...source, secret: [...declared, ...linesWith(source.text, texts)] };
  });
}

/** The same for sources of which one cannot be parsed: where anything is sensitive, no line of its variables is shown. */
export function withSecretBlocks(sources: readonly Source[]): readonly Source[] {
  if (!sources.some(({ text }) => /sensitiv/i.test(text))) return sources;
  return sources.map((source) => ({ ...source, secret: variablesBlock(source.text) }));
}

/** Whether values below a path of the file are, or may be, sensitive: then errors do not quote them. */
export function isQuiet(root: unknown): (path: Path) => boolean {
  const names = new Set(isTree(root) ? sensitiveNames(root) : []);
  return ([top, name]) => top === 'variables' && names.has(String(name));
}

/** Variables that say so, that seem to try to say so, and those that are no declarations: a bare value, perhaps. */
function sensitiveNames(root: Readonly<Record<string, unknown>>): readonly string[] {
  const variables = own(root, 'variables');
  if (!isTree(variables)) return [];
  return Object.keys(variables).filter((name) => {
    const variable = variables[name];
    if (!isTree(variable)) return true;
    return Object.entries(variable).some(
      ([key, value]) => value !== false && (key === 'sensitive' || nearest(key, ['sensitive']) !== undefined),
    );
  });
}

/** Every text in the declaration of a sensitive variable that may be its value. */
function textsOf(variable: unknown): readonly string[] {
  const found: string[] = [];
  const collect = (value: unknown): void => {
    if (isSpelled(value)) found.push(value.spelled);
    else if (Array.isArray(value)) value.forEach(collect);
    else if (isTree(value)) Object.values(value).forEach(collect);
    else if (typeof value === 'string' || typeof value === 'number') found.push(...String(value).split(/[\r\n]+/));
  };
  if (isTree(variable)) for (const key of ['default', 'enum']) collect(own(variable, key));
  else collect(variable);
  return found.map((text) => text.trim()).filter((text) => text.length >= shortestSecret);
}

function linesWith(text: string, wanted: readonly string[]): readonly (readonly [number, number])[] {
  if (!wanted.some((each) => text.includes(each))) return [];
  return text
    .split(/\r\n?|\n/)
    .flatMap((line, at) => (wanted.some((each) => line.includes(each)) ? [[at + 1, at + 1] as const] : []));
}

function variablesBlock(text: string): NonNullable<Source['secret']> {
  const lines = text.split(/\r\n?|\n/);
  const first = lines.findIndex((line) => /^\ufeff?["']?variables["']?\s*:/.test(line));
  if (first === -1) return /^\ufeff?\s*[{"'!&]/m.test(text) ? 'all' : [];
  const length = lines.slice(first + 1).findIndex((line) => /^[^\s#}\]]/.test(line));
  return [[first + 1, length === -1 ? lines.length : first + 1 + length]];
}
