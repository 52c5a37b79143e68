// Ways through the outline of the schema: from a path of the file to what is said about it.
import type { Path } from './document.ts';
import { definitions, type Outline, outline } from './generated/outline.js';
import { own } from './raw.ts';

const whole = new WeakMap<Outline, Outline>();

/** What stands beside a reference wins over what it leads to. */
export function merged(node: Outline): Outline {
  const target = node.ref === undefined ? undefined : definitions[node.ref];
  if (target === undefined) return node;
  const before = whole.get(node);
  if (before !== undefined) return before;
  const made = { ...merged(target), ...node };
  whole.set(node, made);
  return made;
}

/** The outline of a member of a map or list; undefined for keys that the schema does not have. */
export function child(node: Outline, step: string | number): Outline | undefined {
  const next = own(node.properties, String(step)) ?? (typeof step === 'number' ? node.items : undefined);
  const found = next ?? node.additionalProperties;
  return found === undefined ? undefined : merged(found);
}

/** The outline of the value at a path of the file. */
export function outlineAt(path: Path): Outline {
  let at = merged(outline);
  for (const step of path) at = child(at, step) ?? merged(at.items ?? {});
  return at;
}
