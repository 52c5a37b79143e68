// Schemas of schemas/, made strict: a member that a schema does not name is an error, as it should be in tests only.
import { readFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Node = string | number | boolean | null | Node[] | { [key: string]: Node };

/** A validator of one of the schemas of what sbx writes. */
export function strictValidator(name: 'state' | 'journal' | 'plan'): ValidateFunction {
  const ajv = new Ajv2020({ discriminator: true, strictRequired: false, allowUnionTypes: true, allErrors: false });
  for (const file of ['state', 'journal', 'plan']) ajv.addSchema(closed(readSchema(file)) as object);
  const validate = ajv.getSchema(`${name}.schema.json`);
  if (validate === undefined) throw new TypeError(`no schema ${name}`);
  return validate;
}

/** The text of a schema, parsed. */
export function readSchema(name: string): Node {
  return JSON.parse(readFileSync(new URL(`../../schemas/${name}.schema.json`, import.meta.url), 'utf8'));
}

/** A schema in which every object refuses members that it does not name. */
export function closed(node: Node): Node {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const isObject = copy['type'] === 'object' && copy['properties'] !== undefined;
  return isObject && copy['additionalProperties'] === undefined ? { ...copy, additionalProperties: false } : copy;
}
