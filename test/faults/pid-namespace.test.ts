// A home that another pid namespace shares, as that of a container: its processes are not seen, and are not dead for that.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { isAlive } from '../../src/host/processes.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';
import { processesOf, type Run, runProgram } from '../support/sandbox-host.ts';

t.setTimeout(600_000);

const inNamespace = ['unshare', '--pid', '--mount-proc', '--fork', '--kill-child'];

/** Runs sbx as in a container that has the home: everything else is another's. */
function elsewhere(host: ProgramHost, ...args: readonly string[]): Promise<Run> {
  return runProgram([...inNamespace, ...host.argv(...args)], { cwd: host.folder, env: host.env });
}

function sockets(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.sock'))
    .sort();
}

t.test(
  'what runs outside is left alone, and everybody is told why',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm.replace('isolated', 'nat'));
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const before = [sockets(join(host.home, 'run')), processesOf(host.home).length];
    const refused = /SBX6008.*\n.*the processes of .*vm\.a.* live in another pid namespace/;
    for (const args of [['plan'], ['apply', '--auto-approve'], ['stop', 'a'], ['destroy', '--auto-approve']]) {
      const { code, stderr } = await elsewhere(host, ...args);
      t.equal(code, 1, args.join(' '));
      t.match(stderr, refused, args.join(' '));
    }
    const status = await elsewhere(host, 'status');
    t.match(status.stdout, /another pid namespace/);
    t.match(status.stdout, /running/);
    t.strictSame(JSON.parse((await elsewhere(host, 'gc', '--json')).stdout).found, [], 'no garbage');
    t.strictSame([sockets(join(host.home, 'run')), processesOf(host.home).length], before, 'nothing was touched');
    t.strictSame(await host.changes(), [], 'and outside nothing is to be done');
    // Without any state only what answers tells.
    rmSync(join(host.home, 'state'), { recursive: true });
    const report = JSON.parse((await elsewhere(host, 'gc', '--json')).stdout);
    t.strictSame(
      report.found.filter(({ type }: { type: string }) => type === 'folder'),
      [],
    );
    t.match(report.spared, [{ what: 'sandbox shop', why: /something answers on .*cannot be seen from here/ }]);
    t.equal((await host.sbx('gc', '--auto-approve')).code, 0);
    t.strictSame(host.leftovers(), [], 'where it is seen it is removed');
  },
);

t.test(
  'what ran in a container that is gone is gone, and is started anew outside',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm.replace('isolated', 'nat'));
    t.equal((await elsewhere(host, 'apply', '--auto-approve')).code, 0);
    t.ok(existsSync(host.statePath));
    t.strictSame(processesOf(host.home), [], 'it ended with its first process');
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame(await host.changes(), []);
    const { process } = JSON.parse((await host.sbx('show', 'a', '--json')).stdout).resources[0].record.facts;
    t.ok(isAlive(process));
    t.notOk(isAlive({ ...process, pidns: '1' }), 'a pid of another namespace is no process here');
  },
);

t.test(
  'where /proc is that of another pid namespace nothing is done at all',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    const run = runProgram(['unshare', '--pid', '--fork', ...host.argv('apply', '--auto-approve')], {
      cwd: host.folder,
      env: host.env,
    });
    const { code, stderr } = await run;
    t.equal(code, 1);
    t.match(stderr, /SBX6008.*\n.*that of another pid namespace/);
    t.notOk(existsSync(host.statePath));
  },
);
