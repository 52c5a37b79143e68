// A VMM that dies, hangs, refuses or talks nonsense while its VM runs: what a call did is read back, never guessed, never repeated.
import { mkdirSync } from 'node:fs';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { resolveHome, sandboxLayout } from '../../src/store/home.ts';
import { type Fault, setFaults } from '../fakes/cloud-hypervisor/install.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';

/** The API socket of the VM, whose folder is made if need be. */
function apiSocket(host: ProgramHost): string {
  const layout = sandboxLayout(resolveHome({ flag: host.home, environment: {}, uid: 0 }), { name: 'shop' });
  if (!layout.ok) throw new TypeError('the test has a bad home');
  const { run } = layout.value.vmPaths('vm.a' as Address);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  return `${run}/api.sock`;
}

/** Pid of the VMM of the only VM. */
async function vmmOf(host: ProgramHost): Promise<number> {
  return JSON.parse((await host.sbx('show', 'a', '--json')).stdout).resources[0].record.facts.process.pid;
}

t.setTimeout(600_000);

const bigger = oneVm.replace('count: 1,', 'count: 3,');
const atResize: readonly { readonly fault: Fault; readonly next: readonly string[] }[] = [
  { fault: { on: 'vm.resize', do: 'crash' }, next: ['update vm.a'] },
  { fault: { on: 'vm.resize', do: 'error', status: 500, causes: ['no'] }, next: ['update vm.a'] },
  // Carried out, but never confirmed: the read after it tells, and nothing is sent twice.
  { fault: { on: 'vm.resize', do: 'reset', times: 1 }, next: [] },
  { fault: { on: 'vm.resize', do: 'half', times: 1 }, next: [] },
  { fault: { on: 'vm.resize', do: 'garbage', times: 1 }, next: [] },
];

t.test(
  'a live change that goes wrong is known for what it did, and is never sent twice',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    t.jobs = 4;
    for (const { fault, next } of atResize) {
      void t.test(fault.do, { buffered: true }, async (t) => {
        const host = await makeProgramHost(t);
        host.write(oneVm);
        t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
        await host.calls();
        await setFaults(apiSocket(host), [fault]);
        host.write(bigger);
        const { code, stdout, stderr } = await host.sbx('apply', '--auto-approve');
        t.equal(code, next.length === 0 ? 0 : 5, `ends with ${code}`, { stdout, stderr });
        const asked = (await host.calls()).filter((action) => action === 'vm.resize').length;
        t.ok(asked <= 1, `asked ${asked} times; one that crashed did not write it down`);
        await setFaults(apiSocket(host), []);
        t.strictSame(await host.changes(), next);
        t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
        t.strictSame(await host.changes(), []);
      });
    }
  },
);

t.test(
  'a VMM that hangs is unresponsive to a plan within seconds, and is started anew',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    await setFaults(apiSocket(host), [{ on: '*', do: 'hang' }]);
    const { stdout } = await host.sbx('plan');
    t.match(stdout, /unresponsive/);
    // The one that hangs goes on doing so; the next one is to be well.
    await setFaults(apiSocket(host), []);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame(await host.changes(), []);
  },
);

t.test(
  'a VMM that is stopped by a signal is named by the plan, and is ended and started anew',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    // The fake's hub answers for a launcher that is stopped: it is told to be silent as well.
    const stop = async (): Promise<void> => {
      process.kill(await vmmOf(host), 'SIGSTOP');
      await setFaults(apiSocket(host), [{ on: '*', do: 'hang' }]);
    };
    await stop();
    t.match(
      (await host.sbx('plan')).stdout,
      /unresponsive: its VMM is stopped by a signal or a debugger \(kill -CONT \d+/,
    );
    t.match((await host.sbx('status')).stdout, /unresponsive/);
    // The one that hangs goes on doing so; the next one is to be well.
    await setFaults(apiSocket(host), []);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame(await host.changes(), []);
    await stop();
    t.equal((await host.sbx('destroy', '--auto-approve')).code, 0);
    t.strictSame(host.leftovers(), []);
  },
);

t.test(
  'removal of vCPUs that is still pending is waited out by the driver alone',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    const host = await makeProgramHost(t, { settings: { GUEST_MS: '1500' } });
    host.write(oneVm.replace('count: 1,', 'count: 4,'));
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    await host.calls();
    host.write(bigger);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.ok((await host.calls()).filter((action) => action === 'vm.resize').length >= 2);
    t.strictSame(await host.changes(), []);
  },
);
