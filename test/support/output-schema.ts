// The schemas of what --json prints, made strict for tests.
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { closed, readSchema } from './strict-schema.ts';

const names = [
  'state',
  'journal',
  'plan',
  'plan-output',
  'events',
  'status',
  'status-all',
  'show',
  'output',
  'validate',
  'doctor',
  'gc',
  'image',
  'init',
  'version',
] as const;

const ajv = new Ajv2020({ discriminator: true, strictRequired: false, allowUnionTypes: true });
for (const each of names) ajv.addSchema(closed(readSchema(each)) as object);

/** A validator that refuses members which the schema does not name. */
export function outputValidator(name: (typeof names)[number]): ValidateFunction {
  const validate = ajv.getSchema(`${name}.schema.json`);
  if (validate === undefined) throw new TypeError(`no schema ${name}`);
  return validate;
}
