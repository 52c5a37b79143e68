// The grammar of references inside text: `a ${vm.db.hostname} b`, `${join(",", var.zones)}`, `$${` for a literal.

import { isExact, isSpelled, spell } from '../load/spelled.ts';

/** What stands between the braces of a reference. */
export type Expression =
  /** `vm.web[0].hostname`: names and keys in order */
  | { readonly type: 'path'; readonly steps: readonly string[]; readonly text: string }
  | { readonly type: 'call'; readonly name: string; readonly args: readonly Expression[]; readonly text: string }
  /** `text`: how a number is written, where it reads otherwise */
  | { readonly type: 'literal'; readonly value: string | number | boolean; readonly text?: string };

/** Literal text and references in order. */
export type Template = readonly (string | Expression)[];

export type ParsedText =
  | { readonly ok: true; readonly parts: Template }
  | { readonly ok: false; readonly detail: string };

const deepestCall = 8;
const longestReference = 1000;

/** Whether a text needs parsing at all. */
export function hasReference(text: string): boolean {
  return text.includes('${');
}

/** Takes a text apart. The detail of a failure is a sentence for users. */
export function parseText(text: string): ParsedText {
  const parts: (string | Expression)[] = [];
  let literal = '';
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf('${', at);
    if (dollar === -1) break;
    literal += text.slice(at, dollar);
    if (text[dollar - 1] === '$' && dollar > at) {
      literal = `${literal.slice(0, -1)}\${`;
      at = dollar + 2;
      continue;
    }
    const cursor: Cursor = { text: text.slice(dollar + 2, dollar + 2 + longestReference), at: 0 };
    const expression = parseExpression(cursor, 0);
    if (typeof expression === 'string') return { ok: false, detail: expression };
    skipSpace(cursor);
    if (cursor.text[cursor.at] !== '}') return { ok: false, detail: unexpected(cursor) };
    if (literal !== '') parts.push(literal);
    literal = '';
    parts.push(expression);
    at = dollar + 3 + cursor.at;
  }
  literal += text.slice(at);
  if (literal !== '' || parts.length === 0) parts.push(literal);
  return { ok: true, parts };
}

interface Cursor {
  readonly text: string;
  at: number;
}

function skipSpace(cursor: Cursor): void {
  while (/\s/.test(cursor.text[cursor.at] ?? '')) cursor.at++;
}

function take(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at;
  const match = pattern.exec(cursor.text);
  if (match === null) return undefined;
  cursor.at += match[0].length;
  return match[0];
}

const word = /[A-Za-z0-9_-]+/y;
const start = /[A-Za-z_][A-Za-z0-9_-]*/y;
const number = /-?[0-9]+(?:\.[0-9]+)?/y;
const quotedText = /"[^"\\\n]*"|'[^'\\\n]*'/y;

/** An expression, or a sentence that says what is wrong. */
function parseExpression(cursor: Cursor, depth: number): Expression | string {
  if (depth > deepestCall) return 'Functions are nested too deeply.';
  skipSpace(cursor);
  const text = take(cursor, quotedText);
  if (text !== undefined) return { type: 'literal', value: text.slice(1, -1) };
  const from = cursor.at;
  const digits = take(cursor, number);
  if (digits !== undefined) return numberOf(digits);
  const first = take(cursor, start);
  if (first === undefined) return unexpected(cursor);
  if (first === 'true' || first === 'false') return { type: 'literal', value: first === 'true' };
  const steps = parseSteps(cursor, first);
  if (typeof steps === 'string') return steps;
  if (cursor.text[cursor.at] === '(') return parseCall(cursor, steps.join('.'), from, depth);
  return { type: 'path', steps, text: cursor.text.slice(from, cursor.at) };
}

/** A number that cannot be held as it is written is text. */
function numberOf(digits: string): Expression {
  const value = spell(Number(digits), digits);
  if (!isSpelled(value)) return { type: 'literal', value: Number(digits) };
  return isExact(value) ? { type: 'literal', value: Number(digits), text: digits } : { type: 'literal', value: digits };
}

function parseSteps(cursor: Cursor, first: string): string[] | string {
  const steps = [first];
  for (;;) {
    const sign = cursor.text[cursor.at];
    if (sign !== '.' && sign !== '[') return steps;
    cursor.at++;
    const step = sign === '.' ? take(cursor, word) : (take(cursor, quotedText)?.slice(1, -1) ?? take(cursor, word));
    if (step === undefined) return unexpected(cursor);
    if (sign === '[' && cursor.text[cursor.at++] !== ']') return 'A key in brackets does not end with "]".';
    steps.push(step);
  }
}

function parseCall(cursor: Cursor, name: string, from: number, depth: number): Expression | string {
  const args: Expression[] = [];
  cursor.at++;
  skipSpace(cursor);
  while (cursor.text[cursor.at] !== ')') {
    const arg = parseExpression(cursor, depth + 1);
    if (typeof arg === 'string') return arg;
    args.push(arg);
    skipSpace(cursor);
    if (cursor.text[cursor.at] === ',') cursor.at++;
    else if (cursor.text[cursor.at] !== ')') return unexpected(cursor);
    skipSpace(cursor);
  }
  cursor.at++;
  return { type: 'call', name, args, text: cursor.text.slice(from, cursor.at) };
}

function unexpected(cursor: Cursor): string {
  const sign = cursor.text[cursor.at];
  if (sign === undefined) return 'A reference begins with "${" and does not end with "}".';
  return `Inside "\${…}", ${JSON.stringify(sign)} is not expected here.`;
}
