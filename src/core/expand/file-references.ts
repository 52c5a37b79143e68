// Which files a document asks for with file.read and file.sha256, so that the rim can read them beforehand.
import type { Document } from '../load/document.ts';
import { type Expression, hasReference, parseText } from './text.ts';

/** Paths as they are written, each once, in the order of the file. */
export function collectFileReferences(document: Document): readonly string[] {
  if (!document.sources.some(({ text }) => text.includes('file.'))) return [];
  const paths = new Set<string>();
  collect(document.root, paths);
  return [...paths];
}

function collect(value: unknown, into: Set<string>): void {
  if (typeof value === 'string') fromText(value, into);
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) collect(item, into);
}

function fromText(text: string, into: Set<string>): void {
  if (!hasReference(text) || !text.includes('file.')) return;
  const parsed = parseText(text);
  if (!parsed.ok) return;
  for (const part of parsed.parts) if (typeof part !== 'string') fromExpression(part, into);
}

function fromExpression(expression: Expression, into: Set<string>): void {
  if (expression.type !== 'call') return;
  const [first] = expression.args;
  const reads = expression.name === 'file.read' || expression.name === 'file.sha256';
  if (reads && first?.type === 'literal' && typeof first.value === 'string') into.add(first.value);
  for (const arg of expression.args) fromExpression(arg, into);
}
