import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';
import type { CommandDefinition, OptionSpecs } from '../../src/cli/command.ts';
import { commandTable } from '../../src/cli/commands/index.ts';
import { globalSpecs } from '../../src/cli/globals.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Flags of other programs that sentences and pages name: of Cloud Hypervisor, QEMU, slirp4netns, mount, cp and usermod. */
const foreign = new Set(
  '--api-socket --event-monitor --no-shutdown --disable-host-loopback --propagation --reference --append --groups'.split(
    ' ',
  ),
);
/** What sentences say of sbx: no commands. */
const verbs = new Set(['can', 'cannot', 'does', 'finds', 'needs', 'refuses']);

const flagsOf = (specs: OptionSpecs): readonly string[] =>
  Object.values(specs).flatMap(({ flags }) => flags.match(/(?<![\w-])--?[a-z][a-z-]*/g) ?? []);
const everywhere = [...flagsOf(globalSpecs), '--help', '-h', '--version', '-V'];
/** Flags of every command, by the words that call it. */
const commands = new Map<string, ReadonlySet<string>>();
for (const entry of commandTable) {
  const leaves: readonly (readonly [string, CommandDefinition])[] =
    'commands' in entry ? entry.commands.map((each) => [`${entry.name} `, each] as const) : [['', entry]];
  for (const [group, { name, aliases = [], options }] of leaves)
    for (const word of [name, ...aliases])
      commands.set(`${group}${word}`, new Set([...flagsOf(options), ...everywhere]));
}
const groups = new Set(commandTable.flatMap((entry) => ('commands' in entry ? [entry.name] : [])));
const anyFlag = new Set([...commands.values()].flatMap((flags) => [...flags]));

/** What is wrong with a text that may name commands and flags of sbx. */
const problemsOf = (text: string): readonly string[] => text.split('\n').flatMap(lineProblems);

function lineProblems(line: string): readonly string[] {
  const call = /^[\s$`]*(?:sudo )?sbx ([a-z].*)$/.exec(line)?.[1];
  const [first = '', second = ''] = (call ?? '').split(/[\s`]+/);
  if (call === undefined || verbs.has(first)) return strangeFlags(line, anyFlag, line);
  const names = first.split(/\\?\|/).map((word) => (groups.has(word) ? `${word} ${second}` : word));
  return names.flatMap((name) => {
    const flags = commands.get(name) ?? (groups.has(name.trim()) ? anyFlag : undefined);
    // What a guest runs, and what a shell does with it, has flags of its own.
    return flags === undefined
      ? [`sbx ${name} is no command: ${line}`]
      : strangeFlags(call.split(/ -- | \| | && | {2}#/)[0] ?? '', flags, line);
  });
}

function strangeFlags(text: string, known: ReadonlySet<string>, line: string): readonly string[] {
  const named = [...text.matchAll(/(?<![\w./-])--[a-z][a-z-]*/g)].map(([flag]) => flag);
  return named.filter((flag) => !known.has(flag) && !foreign.has(flag)).map((flag) => `${flag} is no flag: ${line}`);
}

const filesBelow = (folder: string, ending: RegExp): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name))
    .map((name) => join(root, folder, name));

t.test('hints, errors and help name commands and flags that there are', async (t) => {
  for (const path of filesBelow('src', /\.tsx?$/)) {
    const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
    const look = (node: ts.Node): void => {
      // What has no blank in it is a word of a command line, of whatever program.
      const text = textOf(node);
      if (text !== undefined && /\s/.test(text)) t.strictSame(problemsOf(text), [], relative(root, path));
      if (!ts.isTemplateExpression(node)) ts.forEachChild(node, look);
      else for (const { expression } of node.templateSpans) look(expression);
    };
    look(source);
  }
});

/** The text of a literal; what a template puts in is one word. */
function textOf(node: ts.Node): string | undefined {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (!ts.isTemplateExpression(node)) return undefined;
  return [node.head.text, ...node.templateSpans.map(({ literal }) => `X${literal.text}`)].join('');
}

t.test('pages name commands and flags that there are', async (t) => {
  const pages = [...filesBelow('docs', /\.md$/), ...filesBelow('examples', /\.md$/), join(root, 'README.md')];
  for (const path of pages) {
    const text = readFileSync(path, 'utf8');
    const blocks = [...text.matchAll(/^```[a-z]*\n(.*?)^```/gms)].map((found) => found[1] ?? '');
    const spans = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`]+)`/g)].map((found) => found[1] ?? '');
    const ours = [...blocks.flatMap((block) => block.split('\n')), ...spans].filter((code) =>
      /^[\s$]*(sbx |--)/.test(code),
    );
    t.strictSame(ours.flatMap(problemsOf), [], relative(root, path));
  }
});
