// Compiles the schemas into validators that need neither ajv nor the schema at run time: of the sandbox file, and of what
// sbx itself wrote. Writes src/core/load/generated/{validate,outline,stored}.{js,d.ts}. Run by the build and before tests.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv2020 } from 'ajv/dist/2020.js';
import standalone from 'ajv/dist/standalone/index.js';
import { transformSync } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'src/core/load/generated');
const schema = JSON.parse(readFileSync(join(root, 'schemas/sandbox.schema.json'), 'utf8'));
const reference = '\\$\\{';

/** Kinds of which a single resource is checked again once its references are replaced. */
const resolvedKinds = ['vm', 'volume', 'network', 'image'];

/** The schema of a value that holds no references any more: the alternatives for `${` go. */
function withoutReferences(node) {
  if (Array.isArray(node)) return node.filter((item) => item?.pattern !== reference).map(withoutReferences);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, withoutReferences(value)]));
  if (copy.pattern === reference || copy.pattern === '^\\$\\{[^{}]*\\}$') {
    delete copy.pattern;
    copy.type = copy.type.filter((type) => type !== 'string');
  } else if (typeof copy.pattern === 'string' && copy.pattern.endsWith(`|${reference}`)) {
    copy.pattern = copy.pattern.slice(0, -reference.length - 1);
  }
  return copy;
}

/** The schema without the words for people, which would only make the validator larger. */
function bare(node) {
  if (Array.isArray(node)) return node.map(bare);
  if (typeof node !== 'object' || node === null) return node;
  const words = ['title', 'description', 'examples', 'default', '$comment'];
  return Object.fromEntries(
    Object.entries(node)
      .filter(([key, value]) => !(words.includes(key) && !(typeof value === 'object' && !Array.isArray(value))))
      .map(([key, value]) => [key, bare(value)]),
  );
}

/** The schema as far as messages need it: titles, known keys and words, and how to get from a path to them. */
function outlineOf(node) {
  const { $ref, title, properties, additionalProperties, propertyNames, items } = node;
  const words = node.enum ?? node.anyOf?.find((branch) => branch.enum !== undefined)?.enum;
  const nested = Object.entries({ additionalProperties, propertyNames, items })
    .filter(([, value]) => typeof value === 'object')
    .map(([key, value]) => [key, outlineOf(value)]);
  return {
    ...($ref === undefined ? {} : { ref: $ref.replace('#/$defs/', '') }),
    ...(title === undefined ? {} : { title }),
    ...(words === undefined ? {} : { words }),
    ...scalarOf(node),
    ...(properties === undefined ? {} : { properties: outlinesOf(properties) }),
    ...Object.fromEntries(nested),
  };
}

/** Whether a scalar is text there, and like what, or any kind of value; numbers and switches say nothing. */
function scalarOf({ type, pattern, anyOf, enum: words, $comment }) {
  const scalars = [type ?? []].flat().filter((each) => ['string', 'number', 'integer', 'boolean'].includes(each));
  const takesText = scalars.includes('string') && pattern !== reference && pattern !== '^\\$\\{[^{}]*\\}$';
  if (!takesText) return {};
  if (scalars.length > 1 && $comment !== 'text') return { any: true };
  return { text: anyOf === undefined && words === undefined ? (pattern ?? '') : reference };
}

function outlinesOf(nodes) {
  return Object.fromEntries(Object.entries(nodes).map(([key, value]) => [key, outlineOf(value)]));
}

/** Definitions by the name that references use for them; templates refer to the properties of a VM. */
const definitions = {
  ...outlinesOf(schema.$defs),
  ...Object.fromEntries(
    Object.entries(schema.$defs.vm.properties).map(([key, value]) => [`vm/properties/${key}`, outlineOf(value)]),
  ),
};

const ajv = new Ajv2020({
  allErrors: true,
  allowUnionTypes: true,
  strictRequired: false,
  unicodeRegExp: false,
  unicode: false,
  messages: false,
  inlineRefs: 3,
  logger: false,
  code: { source: true, esm: true },
});
ajv.addSchema(bare(schema), 'sandbox');
ajv.addSchema({ ...withoutReferences(bare(schema)), $id: 'resolved' }, 'resolved');
const exported = { validateSandbox: 'sandbox' };
for (const kind of resolvedKinds) {
  const name = `validate${kind[0].toUpperCase()}${kind.slice(1)}`;
  ajv.addSchema({ $id: name, $ref: `resolved#/$defs/${kind}` }, name);
  exported[name] = name;
}
const code = transformSync((standalone.default ?? standalone)(ajv, exported), {
  format: 'esm',
  treeShaking: true,
  minifySyntax: true,
  minifyIdentifiers: true,
}).code;
if (/\brequire\(|\bimport\b/.test(code))
  throw new Error('the generated validator imports something: it must stand alone');

const declarations = `// Generated by scripts/generate-validators.mjs.
export interface SchemaError {
  readonly keyword: string;
  readonly instancePath: string;
  readonly schemaPath: string;
  readonly propertyName?: string;
  readonly params: Readonly<Record<string, unknown>>;
}
export interface Validator {
  (data: unknown): boolean;
  errors?: readonly SchemaError[] | null;
}
${Object.keys(exported)
  .map((name) => `export declare const ${name}: Validator;`)
  .join('\n')}
`;
const outline = `// Generated by scripts/generate-validators.mjs.
export const outline = ${JSON.stringify(outlineOf(schema))};
export const definitions = ${JSON.stringify(definitions)};
`;
const outlineTypes = `// Generated by scripts/generate-validators.mjs.
export interface Outline {
  readonly ref?: string;
  readonly title?: string;
  readonly words?: readonly (string | number)[];
  /** A scalar is text here, and matches this */
  readonly text?: string;
  /** Any kind of scalar is taken */
  readonly any?: true;
  readonly properties?: Readonly<Record<string, Outline>>;
  readonly additionalProperties?: Outline;
  readonly propertyNames?: Outline;
  readonly items?: Outline;
}
export declare const outline: Outline;
export declare const definitions: Readonly<Record<string, Outline>>;
`;

/** What sbx itself wrote: one error is enough, speed counts, `discriminator` picks the branch of a union. */
function compileStored() {
  const stored = new Ajv2020({
    discriminator: true,
    inlineRefs: 3,
    strictRequired: false,
    allowUnionTypes: true,
    messages: false,
    code: { source: true, esm: true, lines: true },
  });
  const names = { validateState: 'state', validateRecord: 'journal' };
  for (const name of Object.values(names))
    stored.addSchema(withoutProse(JSON.parse(readFileSync(join(root, `schemas/${name}.schema.json`), 'utf8'))));
  const files = Object.fromEntries(Object.entries(names).map(([key, name]) => [key, `${name}.schema.json`]));
  const text = (standalone.default ?? standalone)(stored, files);
  if (/\brequire\(|\bimport\b/.test(text)) throw new Error('the validator of stored files must stand alone');
  return text;
}

/** The compiled code carries its schemas along: descriptions would be most of it. */
function withoutProse(node) {
  if (Array.isArray(node)) return node.map(withoutProse);
  if (typeof node !== 'object' || node === null) return node;
  const kept = Object.entries(node).filter(([key, value]) => key !== 'description' || typeof value !== 'string');
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutProse(value)]));
}

const storedTypes = `// Generated by scripts/generate-validators.mjs.
import type { Validator } from './validate.js';
export declare const validateState: Validator;
export declare const validateRecord: Validator;
`;

mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries({
  'validate.js': `// Generated by scripts/generate-validators.mjs.\n${code}`,
  'validate.d.ts': declarations,
  'stored.js': `// Generated by scripts/generate-validators.mjs.\n${compileStored()}`,
  'stored.d.ts': storedTypes,
  'outline.js': outline,
  'outline.d.ts': outlineTypes,
})) {
  // Replaced whole, since tests in other processes may be reading it
  writeFileSync(join(folder, `.${process.pid}-${name}`), text);
  renameSync(join(folder, `.${process.pid}-${name}`), join(folder, name));
}
