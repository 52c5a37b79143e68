import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';

type Node = { readonly [key: string]: unknown };

const schemaFile = new URL('../../../schemas/sandbox.schema.json', import.meta.url);
const schema: Node = JSON.parse(readFileSync(schemaFile, 'utf8'));

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);

function follow(node: Node): Node {
  const ref = node['$ref'];
  if (typeof ref !== 'string') return node;
  const target = ref
    .slice(2)
    .split('/')
    .reduce<unknown>((at, step) => (isNode(at) ? at[step] : undefined), schema);
  return isNode(target) ? { ...follow(target), ...node } : node;
}

/** Every schema that stands under `properties`, with the path to it. */
function* properties(node: unknown, path: string): Generator<readonly [string, Node]> {
  const isTable = path.endsWith('/properties');
  for (const [key, value] of isNode(node) ? Object.entries(node) : []) {
    if (key === 'examples' || key === 'default') continue;
    if (isTable && isNode(value)) yield [`${path}/${key}`, value];
    yield* properties(value, `${path}/${key}`);
  }
}

t.test('every key of the file has a description for editors', async (t) => {
  const all = [...properties(schema, '')];
  t.ok(all.length > 50, `${all.length} keys`);
  for (const [path, node] of all) {
    const { description } = follow(node);
    t.ok(typeof description === 'string' && description.length > 5, path);
  }
});

t.test('every definition has a description, and every pattern has words for messages', async (t) => {
  const definitions = schema['$defs'];
  for (const [name, node] of Object.entries(isNode(definitions) ? definitions : {})) {
    t.ok(isNode(node) && typeof node['description'] === 'string', name);
    if (isNode(node) && node['pattern'] !== undefined) t.type(node['title'], 'string', `${name} has a title`);
  }
});

t.test('the generator can be run again and gives the same', async (t) => {
  const generated = new URL('../../../src/core/load/generated/validate.js', import.meta.url);
  const before = readFileSync(generated, 'utf8');
  const script = new URL('../../../scripts/generate-validators.mjs', import.meta.url);
  const { status, stderr } = spawnSync(process.execPath, [script.pathname], { encoding: 'utf8', timeout: 300_000 });
  t.equal(status, 0, stderr);
  t.equal(readFileSync(generated, 'utf8'), before);
  t.notMatch(before, /\brequire\(|^import /m, 'the validator stands alone');
});
