// generate-impact-docs.mjs [--write]: docs/impact.md and the last sentence of the descriptions in schemas/sandbox.schema.json
// are made of the table in src/kinds/impacts.ts. Fails when one of the two is stale.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs/impact.md');
const schema = join(root, 'schemas/sandbox.schema.json');
const marker = ' Changing it';

const { impactTable, costOf, capabilitiesOf, qemuCapabilities } = await load();
const releases = Array.from({ length: 20 }, (_none, at) => capabilitiesOf({ major: 34 + at, minor: 0 }, ''));
const drivers = [
  ['Cloud Hypervisor', releases],
  ['QEMU, KVM', ['6.2', '7.2'].map((version) => qemuCapabilities('', version, 'kvm'))],
  ['QEMU, emulation', ['6.2', '7.2'].map((version) => qemuCapabilities('', version, 'tcg'))],
];
const made = [
  [page, toPage()],
  [schema, toSchema(readFileSync(schema, 'utf8'))],
];

for (const [path, text] of made) {
  if (process.argv.includes('--write')) writeFileSync(path, text);
  else if (current(path) !== text) {
    process.stderr.write(`${relative(root, path)} is stale: node scripts/generate-impact-docs.mjs --write\n`);
    process.exitCode = 1;
  }
}

function current(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

async function load() {
  const contents = [
    "export { costOf, impactTable } from './src/kinds/impacts.ts';",
    "export { capabilitiesOf } from './src/vmm/cloud-hypervisor/capabilities.ts';",
    "export { qemuCapabilities } from './src/vmm/qemu/capabilities.ts';",
  ].join('\n');
  const stdin = { contents, resolveDir: root, loader: 'ts' };
  const { outputFiles } = await build({ stdin, bundle: true, format: 'esm', write: false, platform: 'node' });
  return await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`);
}

/** `live`, or `live from 50.0, else restart`. */
function impactWith(entry, versions) {
  if (entry.impact === 'refused') return 'refused';
  const found = versions.map((capabilities) => costOf(entry, capabilities).impact);
  if (new Set(found).size === 1) return `**${found[0]}**`;
  const first = versions[found.indexOf(entry.impact)].version;
  return `**${entry.impact}** from ${first}, before that **${found[0]}**`;
}

function toPage() {
  const titles = ['Field', 'Changed', ...drivers.map(([name]) => name), 'Why', 'Through'];
  const rows = Object.entries(impactTable).flatMap(([field, { cases }]) =>
    Object.values(cases).map((entry, at) => [
      at === 0 ? `\`${field}\`` : '',
      entry.when,
      ...drivers.map(([, versions]) => impactWith(entry, versions)),
      entry.whyNot === undefined ? entry.why : `${entry.why}; a driver that ${entry.whyNot} restarts it`,
      entry.through,
    ]),
  );
  const table = [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `# What a change costs

<!-- Made by scripts/generate-impact-docs.mjs --write. Edit src/kinds/impacts.ts instead. -->

* **live**: while the VM runs, without a pause that is worth a word.
* **next-boot**: recorded now; the guest sees it when it boots next. A VM that does not run takes every change but those of
  \`replace\` this way.
* **restart**: the VM is stopped and started in a new VMM process. Disks and addresses stay, what is in memory goes.
* **replace**: the VM is made anew; its own disks (not its volumes) are lost.

Cloud Hypervisor from ${releases[0].version} and QEMU from 6.2 are compared; where releases differ, the first that can is named.

${table.join('\n')}

Creating something counts as live, removing it as replace: \`--max-impact\` uses this order. Whatever ends a running guest
counts as restart at least, and whatever loses data as replace, for whatever reason it is planned. \`version\`, \`variables\`,
\`templates\`, \`outputs\` and keys that begin with \`x-\` cost nothing by themselves: what is made of them does. Another \`name\` is
another sandbox. \`count\` and \`for_each\` create and remove VMs. Another VMM (\`--vmm\`) restarts them.
`;
}

/** ` Changing it to more, up to cpus.max, is live; to less is live or, where the driver cannot, a restart.` */
function sentence({ cases }) {
  return `${marker} ${Object.values(cases)
    .map(
      (entry) =>
        `${entry.when === 'at all' ? '' : `${entry.when}${entry.when.includes(',') ? ',' : ''} `}${words(entry)}`,
    )
    .join('; ')}.`;
}

function words({ impact, ability, hover }) {
  if (impact === 'refused') return 'is refused';
  const verb = {
    live: 'is done live',
    'next-boot': 'takes effect at the next boot',
    restart: 'restarts the VM',
    replace: 'replaces the VM',
  }[impact];
  if (hover !== undefined) return hover;
  return ability === undefined ? verb : `${verb} where the VMM can, else through a restart`;
}

function toSchema(text) {
  let changed = text;
  for (const row of Object.values(impactTable)) {
    const steps = row.schema.slice(1).split('/');
    const node = steps.reduce((at, step) => at[step], JSON.parse(changed));
    const [own] = node.description.split(marker);
    const [before, after] = [node.description, own + sentence(row)].map(
      (words) => `"description": ${JSON.stringify(words)}`,
    );
    if (changed.split(before).length !== 2)
      throw new TypeError(`${row.schema}: its description is not the only one of its words`);
    changed = changed.replace(before, () => after);
  }
  return changed;
}
