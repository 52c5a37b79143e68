// check-errors.mjs [--write]: docs/errors.md is made of the tables of codes. Fails when it is stale, when no source uses
// a code, when a code stands in the wrong thousand, or when `new Error(` stands outside core/errors.ts.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(root, 'docs/errors.md');
const areas = [
  ['0', 'usage', 'How sbx was called'],
  ['1', 'file', 'Reading a file, its syntax and its schema'],
  ['2', 'expand', 'The meaning of a file'],
  ['3', 'plan', 'Planning'],
  ['4', 'state', 'State, journal, lock and home'],
  ['5', 'vmm', 'VMMs'],
  ['6', 'host', 'Host and network'],
  ['7', 'image', 'Images'],
  ['8', 'guest', 'Guests'],
  ['9', 'bug', 'Bugs in sbx'],
];
const exitOf = { 0: 64, 1: 3, 2: 3 };

const codes = await loadCodes();
const text = toPage(codes);
if (process.argv.includes('--write')) {
  writeFileSync(page, text);
  process.stdout.write(`wrote ${relative(root, page)}: ${Object.keys(codes).length} codes\n`);
} else {
  const problems = [...unused(codes), ...misplaced(), ...bareErrors(), ...stale()];
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length > 0) process.exit(1);
  process.stdout.write(`${Object.keys(codes).length} codes, all used and documented\n`);
}

async function loadCodes() {
  const { outputFiles } = await build({
    entryPoints: [join(root, 'src/core/codes.ts')],
    bundle: true,
    format: 'esm',
    write: false,
    platform: 'node',
  });
  const source = Buffer.from(outputFiles[0].contents).toString('base64');
  return (await import(`data:text/javascript;base64,${source}`)).codes;
}

function toPage(table) {
  const head =
    '# Errors and warnings\n\n<!-- Made by scripts/check-errors.mjs --write. Edit src/core/codes/*.ts instead. -->\n\n' +
    'Every diagnostic of sbx has a code that stays the same over versions. The exit code is that of the first error.\n';
  const sections = areas.map(([digit, , title]) => {
    const rows = Object.entries(table)
      .filter(([code]) => code[3] === digit)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    return rows.length === 0 ? '' : `\n## ${title}\n\n${rows.map(toEntry).join('\n')}`;
  });
  return head + sections.join('');
}

function toEntry([code, { severity, summary, meaning, exit }]) {
  const ends = severity === 'warning' ? 'warning' : `error, exit ${exit ?? exitOf[code[3]] ?? 1}`;
  return `### ${code}: ${summary}\n\n*${ends}* · ${meaning}\n`;
}

function unused(table) {
  const used = new Set(
    sources().flatMap((file) =>
      file.includes('/core/codes/') ? [] : (readFileSync(file, 'utf8').match(/SBX\d{4}/g) ?? []),
    ),
  );
  return Object.keys(table).flatMap((code) => (used.has(code) ? [] : [`${code} is used nowhere in src`]));
}

function misplaced() {
  return areas.flatMap(([digit, file]) => {
    const path = join(root, `src/core/codes/${file}.ts`);
    const found = readFileSync(path, 'utf8').match(/^ {2}SBX\d{4}/gm) ?? [];
    return found
      .filter((code) => code.trim()[3] !== digit)
      .map((code) => `${code.trim()} does not belong in ${file}.ts`);
  });
}

function bareErrors() {
  return sources()
    .filter((file) => !file.endsWith('/core/errors.ts') && /\bnew Error\(/.test(readFileSync(file, 'utf8')))
    .map((file) => `${relative(root, file)} makes a bare Error: throw SbxError, or give a diagnostic`);
}

function stale() {
  try {
    return readFileSync(page, 'utf8') === text
      ? []
      : ['docs/errors.md is stale: node scripts/check-errors.mjs --write'];
  } catch {
    return ['docs/errors.md is missing: node scripts/check-errors.mjs --write'];
  }
}

function sources() {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}
