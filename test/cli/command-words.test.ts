// What others may read of a command line.
import t from 'tap';
import { commandName, commandWords } from '../../src/cli/command-words.ts';

const cases: readonly { readonly name: string; readonly argv: readonly string[]; readonly want: string }[] = [
  { name: 'plain words stay', argv: ['apply', '--auto-approve'], want: 'sbx apply --auto-approve' },
  { name: 'a value behind --var is hidden', argv: ['apply', '--var', 'token=secret'], want: 'sbx apply --var token=…' },
  { name: 'a value in --var= is hidden', argv: ['plan', '--var=token=a=b'], want: 'sbx plan --var=token=…' },
  {
    name: 'every value is hidden',
    argv: ['plan', '--var', 'a=1', '--var', 'b=2'],
    want: 'sbx plan --var a=… --var b=…',
  },
];
for (const { name, argv, want } of cases) {
  t.test(name, async (t) => {
    t.equal(commandWords(argv), want);
  });
}
t.test('a long command line is cut', async (t) => {
  t.equal(commandWords(['x'.repeat(500)]).length, 200);
});

t.test('the journal gets the command and nothing else of the line', async (t) => {
  t.equal(commandName(['--var=token=hunter2', 'apply']), 'apply');
  t.equal(commandName(['--var', 'token=hunter2', '--home', 'x', 'destroy', '--auto-approve']), 'destroy');
  t.equal(commandName(['token=hunter2']), '');
});
