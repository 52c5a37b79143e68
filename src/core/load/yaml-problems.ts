// What the YAML parser objects to, in words for users: which rule, where, and what to do.
import type { YAMLException } from 'js-yaml';
import type { Code } from '../codes.ts';
import { type Diagnostic, diagnostic, type Place } from '../diagnostic.ts';
import type { Source } from './document.ts';
import { isSecret, placeAt } from './places.ts';
import { quoted } from './quote.ts';
import { isSpelled } from './spelled.ts';

const refusal = 'sbx refuses the key ';

/** What the map constructor answers for a key that sbx does not take; `yamlProblem` knows it again. */
export function refusedKey(key: unknown): string {
  if (isSpelled(key)) return `${refusal}${key.spelled.slice(0, 60)}`;
  if (typeof key === 'object' && key !== null) return `${refusal}that is a list or a map`;
  return `${refusal}${quoted(key)}`;
}

interface Rule {
  readonly reason: RegExp;
  readonly code: Code;
  readonly detail: string;
  readonly hint?: string;
}

const rules: readonly Rule[] = [
  {
    reason: /^duplicated mapping key/,
    code: 'SBX1102',
    detail: 'This key stands in the same map twice.',
    hint: 'remove one of them, or give it another name',
  },
  {
    reason: /tab characters/,
    code: 'SBX1104',
    detail: 'A tab stands where YAML wants spaces.',
    hint: 'indent with spaces',
  },
  { reason: /null byte|non-printable/, code: 'SBX1005', detail: 'The text holds a control character.' },
  {
    reason: /maxDepth|maxAliases|merge keys exceeded/,
    code: 'SBX1105',
    detail: 'It is nested too deeply or holds too many aliases.',
  },
  {
    reason: /unknown .* tag|undeclared tag/,
    code: 'SBX1106',
    detail: 'This tag is not known to sbx.',
    hint: 'remove it',
  },
  {
    reason: /duplication of %|directive/,
    code: 'SBX1106',
    detail: 'Directives (lines that begin with %) are not supported.',
  },
];

/** The diagnostic of what the parser threw. */
export function yamlProblem(source: Source, error: YAMLException): Diagnostic {
  const at = Math.min(error.mark?.position ?? 0, source.text.length);
  const place = placeAt(source, at, at + 1);
  if (isSecret(source, place.line)) return secretProblem(error, place);
  const flow = unquotedReference(source, at);
  if (flow !== undefined) return flow;
  if (error.reason.startsWith(refusal))
    return diagnostic('SBX1106', {
      detail: `Keys are text, and this one is ${error.reason.slice(refusal.length)}.`,
      place,
      hint: 'put the key in quotes, or give it another name',
    });
  const known = ruled(error, place);
  if (known !== undefined) return known;
  const hint = place.source?.includes('${') ? { hint: 'put a value with ${…} in quotes' } : tabHint(source, at);
  return diagnostic('SBX1101', { detail: `${sentence(error.reason)}.`, place, ...hint });
}

/** What a rule has fixed words for. */
function ruled(error: YAMLException, place: Place): Diagnostic | undefined {
  const rule = rules.find(({ reason }) => reason.test(error.reason));
  if (rule === undefined) return undefined;
  const hint = rule.hint === undefined ? {} : { hint: rule.hint };
  return diagnostic(rule.code, { detail: rule.detail, place, ...hint });
}

/** The parser quotes what it stumbles over, and on this line that may be a value that nobody is to read. */
function secretProblem(error: YAMLException, place: Place): Diagnostic {
  const detail = 'This line is no YAML as it is. It may hold a sensitive value and is not shown.';
  const hint = 'put values in quotes';
  return ruled(error, place) ?? diagnostic('SBX1101', { detail, place, hint });
}

/** `{ count: ${var.x} }`: the brace after the dollar sign is where YAML stumbles, or at the end of what it opened. */
function unquotedReference(source: Source, at: number): Diagnostic | undefined {
  const lineStart = source.text.lastIndexOf('\n', at - 1) + 1;
  const before = source.text.slice(Math.max(lineStart, at - 500), at + 1);
  const dollar = before.lastIndexOf('${');
  if (dollar === -1) return undefined;
  const start = at + 1 - before.length + dollar;
  const lead = before.slice(0, dollar).trimEnd();
  const quotes = (lead.match(/["']/g) ?? []).length;
  if (quotes % 2 === 1 || !/[{[]/.test(lead) || !/[:,[{]$/.test(lead)) return undefined;
  const end = source.text.indexOf('}', start);
  const reference =
    source.text.slice(start, end === -1 ? at + 1 : Math.min(end + 1, start + 100)).split(/[\r\n]/)[0] ?? '';
  return diagnostic('SBX1103', {
    detail: `Between braces or brackets, YAML itself takes ${quoted(reference)} apart.`,
    place: placeAt(source, start, start + reference.length),
    hint: `write "${reference}", in quotes`,
  });
}

function tabHint(source: Source, at: number): { hint?: string } {
  const lineStart = source.text.lastIndexOf('\n', Math.max(at - 1, 0)) + 1;
  return /^ *\t/.test(source.text.slice(lineStart, lineStart + 100)) ? { hint: 'indent with spaces, not tabs' } : {};
}

function sentence(reason: string): string {
  return reason.charAt(0).toUpperCase() + reason.slice(1);
}
