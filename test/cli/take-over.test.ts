// What an apply decides is recorded, also when nothing on the host changes.
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { makeProgramHost, whyNoProgram } from '../support/program-host.ts';
import { runProgram } from '../support/sandbox-host.ts';

t.test('a take-over holds after an apply that had nothing else to do', { skip: whyNoProgram }, async (t) => {
  const host = await makeProgramHost(t);
  host.write('version: 1\nname: shop\nnetworks: { lan: { mode: isolated } }\n');
  t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
  const other = join(host.root, 'other');
  cpSync(host.folder, other, { recursive: true });
  const there = (...args: readonly string[]) => runProgram(host.argv(...args), { cwd: other, env: host.env });
  t.match(await there('plan'), { code: 7, stderr: /take-over/ });
  const taken = await there('apply', '--take-over');
  t.match(taken, { code: 0, stderr: new RegExp(`it belongs to ${other} now`) }, 'without a question');
  t.match(await there('plan', '--detailed-exitcode'), { code: 0 }, 'from there it is planned');
  t.match(await host.sbx('plan'), { code: 7 }, 'and no more from where it was');
  t.notMatch((await there('apply')).stderr, /belongs/, 'it is told once');
});
