// Texts that a cloned repository might hold to make sbx hang, crash or run out of memory.

const head = 'version: 1\nname: shop\n';
const lines = (count: number, line: (at: number) => string): string =>
  Array.from({ length: count }, (_, at) => line(at)).join('');

/** One hostile file: `codes` are what the loader may answer with; none means that it must load. */
export interface HostileText {
  readonly name: string;
  readonly text: () => string;
  readonly codes: readonly string[];
}

/** Anchors that each hold the one before ten times. */
function aliasBomb(levels: number): string {
  const levelOf = (at: number) =>
    `  a${at}: &a${at} [${Array(10)
      .fill(`*a${at - 1}`)
      .join(', ')}]\n`;
  return `${head}x-bomb:\n  a0: &a0 [x]\n${lines(levels, (at) => levelOf(at + 1))}`;
}

export const hostileTexts: readonly HostileText[] = [
  { name: 'nothing at all', text: () => '', codes: ['SBX1106'] },
  { name: 'a comment alone', text: () => '# hello\n', codes: ['SBX1106'] },
  { name: '10 MB of one list', text: () => `${head}x-list: [${'1,'.repeat(5_000_000)}]\n`, codes: ['SBX1003'] },
  { name: '4 MB of one list', text: () => `${head}x-list: [${'1,'.repeat(2_000_000)}1]\n`, codes: [] },
  { name: '4 MB of one word', text: () => `${head}x-word: ${'a'.repeat(4_000_000)}\n`, codes: [] },
  {
    name: '4 MB of unknown keys',
    text: () => head + lines(300_000, (at) => `k${at}: 1\n`),
    codes: ['SBX1201', 'SBX1206'],
  },
  { name: 'lists nested 100,000 deep', text: () => `${head}x-deep: ${'['.repeat(100_000)}`, codes: ['SBX1105'] },
  { name: 'maps nested 100,000 deep', text: () => `${head}x-deep: ${'{a: '.repeat(100_000)}`, codes: ['SBX1105'] },
  { name: 'block lists nested deep', text: () => `${head}x-deep:\n  ${'- '.repeat(100_000)}a\n`, codes: ['SBX1105'] },
  { name: '100 kB of question marks', text: () => '? '.repeat(50_000), codes: ['SBX1105', 'SBX1101', 'SBX1106'] },
  { name: 'an alias bomb', text: () => aliasBomb(12), codes: ['SBX1105'] },
  { name: 'an alias that holds itself', text: () => `${head}x-me: &me [*me]\n`, codes: ['SBX1105'] },
  {
    name: 'aliases nested 5,000 deep',
    text: () => `${head}x-a:\n  a0: &a0 [x]\n${lines(5000, (at) => `  a${at + 1}: &a${at + 1} [*a${at}]\n`)}`,
    codes: ['SBX1105'],
  },
  { name: '100,000 keys', text: () => `${head}x-keys:\n${lines(100_000, (at) => `  k${at}: ${at}\n`)}`, codes: [] },
  { name: '100,000 VMs', text: () => `${head}vms:\n${lines(100_000, (at) => `  v${at}: {}\n`)}`, codes: ['SBX1204'] },
  {
    name: '100,000 anchors',
    text: () => `${head}x-keys:\n${lines(100_000, (at) => `  k${at}: &a${at} 1\n`)}`,
    codes: [],
  },
  {
    name: '100,000 aliases',
    text: () => `${head}x-a: &a 1\nx-keys:\n${lines(100_000, (at) => `  k${at}: *a\n`)}`,
    codes: ['SBX1105'],
  },
  { name: 'a duplicate key', text: () => `${head}name: shop\n`, codes: ['SBX1102'] },
  { name: 'a tab in the indentation', text: () => `${head}vms:\n\tweb: {}\n`, codes: ['SBX1104'] },
  { name: 'a tab within a block', text: () => `${head}vms:\n  web:\n  \timage: a\n`, codes: ['SBX1104', 'SBX1101'] },
  { name: 'a BOM', text: () => `\ufeff${head}`, codes: [] },
  { name: 'CRLF', text: () => head.replaceAll('\n', '\r\n'), codes: [] },
  { name: 'CR alone', text: () => head.replaceAll('\n', '\r'), codes: [] },
  { name: 'NUL', text: () => `${head}x-a: "\0"\n`, codes: ['SBX1005'] },
  { name: 'a bell', text: () => `${head}x-a: \u0007\n`, codes: ['SBX1005'] },
  { name: 'half a surrogate', text: () => `${head}x-a: \ud800\n`, codes: ['SBX1005'] },
  { name: 'NUL by escape in env', text: () => `${head}vms: { a: { env: { A: "\\0" } } }\n`, codes: ['SBX1204'] },
  { name: '__proto__ as a key', text: () => `${head}__proto__: { polluted: true }\n`, codes: ['SBX1106'] },
  { name: '__proto__ in a VM', text: () => `${head}vms: { __proto__: { image: a } }\n`, codes: ['SBX1106'] },
  { name: 'constructor as a VM', text: () => `${head}vms: { constructor: {} }\n`, codes: [] },
  { name: 'toString as a key', text: () => `${head}toString: 1\n`, codes: ['SBX1201'] },
  { name: 'a huge number', text: () => `${head}vms: { a: { cpus: 1e400 } }\n`, codes: ['SBX1203', 'SBX1204'] },
  { name: 'a negative number', text: () => `${head}vms: { a: { count: -1 } }\n`, codes: ['SBX1204'] },
  { name: 'not a number', text: () => `${head}vms: { a: { count: .nan } }\n`, codes: ['SBX1203'] },
  { name: 'a huge size', text: () => `${head}volumes: { a: { size: ${'9'.repeat(400)}GiB } }\n`, codes: ['SBX1204'] },
  { name: 'an unknown tag', text: () => `${head}x-a: !!js/function "x"\n`, codes: ['SBX1106'] },
  { name: 'a local tag', text: () => `${head}x-a: !foo x\n`, codes: ['SBX1106'] },
  { name: 'a binary tag', text: () => `${head}x-a: !!binary aGVsbG8=\n`, codes: ['SBX1106'] },
  { name: 'a directive', text: () => `%YAML 1.1\n---\n${head}`, codes: ['SBX1106'] },
  { name: 'two documents', text: () => `${head}---\n${head}`, codes: ['SBX1106'] },
  { name: 'a merge key', text: () => `${head}vms: { a: { <<: { image: b } } }\n`, codes: ['SBX1201'] },
  { name: 'a key that is a list', text: () => `${head}? [a]\n: b\n`, codes: ['SBX1106'] },
  { name: 'a key that is a number', text: () => `${head}3: b\n`, codes: ['SBX1106'] },
  { name: 'a list instead of a map', text: () => '- a\n', codes: ['SBX1203'] },
  { name: 'text instead of a map', text: () => 'hello\n', codes: ['SBX1203'] },
  { name: 'an unclosed quote', text: () => `${head}x-a: "hello\n`, codes: ['SBX1101'] },
  { name: 'brackets of references', text: () => `${head}x-a: "${'${'.repeat(200_000)}"\n`, codes: [] },
  { name: 'a tag and an anchor on every level', text: () => `${head}x-a:\n${nestedProperties(40)}`, codes: [] },
  { name: 'many BOMs', text: () => `${head}x-a: a\n${lines(20_000, () => '\ufeff\n# c\n')}`, codes: ['SBX1101'] },
];

function nestedProperties(depth: number): string {
  const levels = lines(depth, (at) => `${' '.repeat(at + 1)}&k${at} a: !!map &m${at}\n`);
  return `${levels}${' '.repeat(depth + 2)}b: 1\n`;
}
