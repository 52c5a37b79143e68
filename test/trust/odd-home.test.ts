// Homes and folders with names that would end an option, a word or a line somewhere: they stay names.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { qemuArgv } from '../../src/vmm/qemu/argv.ts';
import { optionValue } from '../../src/vmm/qemu/layout.ts';
import { ableDriver } from '../support/planning.ts';
import { makeProgramHost, oneVm, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);

const plain = ['a b', "a'b", 'ü', 'a=b', 'a;b', '$(id)', '-rf', 'a\\b', '%h', '~', '#a'];
const refused = ['a,b', 'a"b', 'a,server=off,path=evil', 'a[b', '${HOME}', 'a\nb', 'a\u001b[6n'];
const odd = [...plain, ...refused];

t.test('in no option of QEMU a path adds an option of its own', async (t) => {
  for (const name of odd) {
    const at = `/tmp/${name}`;
    const argv = qemuArgv(
      {
        name: 'sbx-shop-a',
        uuid: '00000000-0000-8000-8000-000000000000',
        paths: { run: `${at}/run`, data: `${at}/data` },
        kernel: `${at}/vmlinuz`,
        initrd: `${at}/initrd`,
        cmdline: 'quiet,-device evil',
        cpus: { count: 1, max: 1 },
        memory: { sizeBytes: 268435456, maxBytes: 268435456 },
        disks: [{ id: 'root', path: `${at}/root,readonly=on.img`, format: 'raw', readonly: false }],
        nics: [],
      },
      ableDriver,
    );
    const escaped = optionValue(at);
    for (const word of argv.filter((_word, index) => argv[index - 1] === '-chardev')) {
      // What stands in an option is the escaped path, whole, and nothing unescaped is left beside it.
      t.ok(word.includes(escaped), word);
      t.notOk(name.includes(',') && word.replaceAll(escaped, '').includes(name), word);
    }
    const blocks = argv.filter((_word, index) => argv[index - 1] === '-blockdev');
    t.strictSame(
      blocks.map((block) => (JSON.parse(block) as { file: { filename: string } }).file.filename),
      [`${at}/root,readonly=on.img`],
    );
    t.equal(argv[argv.indexOf('-append') + 1], 'quiet,-device evil', 'the kernel command line is one word');
    t.equal(argv[argv.indexOf('-kernel') + 1], `${at}/vmlinuz`);
  }
});

t.test(
  'a home with an odd name works whole, or is refused by name before anything starts',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    for (const name of odd) {
      const parent = mkdtempSync('/tmp/so-');
      t.teardown(() => rmSync(parent, { recursive: true, force: true }));
      const host = await makeProgramHost(t, { home: join(parent, name) });
      host.write(oneVm);
      const ran = await host.sbx('apply', '--auto-approve');
      t.notMatch(ran.stderr, /SBX9/, name);
      if (refused.includes(name)) {
        t.equal(ran.code, 1, name);
        t.match(ran.stderr, /SBX4012/, `${name} is refused by name`, ran);
        t.strictSame(readdirSync(join(parent, name)), [], 'and nothing was made');
        continue;
      }
      t.equal(ran.code, 0, name, ran);
      t.strictSame(await host.changes(), [], name);
      t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
      t.strictSame(host.leftovers(), [], name);
    }
  },
);
