// A VMM that a host cannot start any more while it runs a sandbox: what runs goes on, and the plan says what it cannot do.
import t from 'tap';
import { makeProgramHost, oneVm, whyNoProgram } from '../support/program-host.ts';
import { runProgram } from '../support/sandbox-host.ts';

t.setTimeout(600_000);

t.test(
  'a sandbox that runs keeps its VMM when KVM seems to be gone, and a start is an error of the plan',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    const env = { ...host.env, SBX_KVM: 'never' };
    const without = (...args: readonly string[]) => runProgram(host.argv(...args), { cwd: host.folder, env });
    const plan = JSON.parse((await without('plan', '--json')).stdout);
    t.strictSame(plan.changes, [], 'nothing is to be done');
    t.match(plan.driver, { chosen: { driver: 'cloud-hypervisor', version: '53.0' }, unsure: { certain: true } });
    host.write(
      oneVm.replace(
        '  a: {',
        '  b: { image: base, memory: 256MiB, disks: { root: {} }, networks: { lan: {} } }\n  a: {',
      ),
    );
    const { code, stderr } = await without('plan');
    t.equal(code, 1);
    t.match(stderr, /SBX3102.*\n.*it cannot start one now: Cloud Hypervisor needs KVM/);
  },
);
