// A VMM that dies, hangs, refuses or talks nonsense while it is started: the apply ends, says which VM, leaves no process, and
// the next apply finishes.
import { mkdirSync } from 'node:fs';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { resolveHome, sandboxLayout } from '../../src/store/home.ts';
import { type Fault, setFaults } from '../fakes/cloud-hypervisor/install.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';
import { processesOf } from '../support/sandbox-host.ts';

/** The API socket of the VM, whose folder is made if need be. */
function apiSocket(host: ProgramHost): string {
  const layout = sandboxLayout(resolveHome({ flag: host.home, environment: {}, uid: 0 }), { name: 'shop' });
  if (!layout.ok) throw new TypeError('the test has a bad home');
  const { run } = layout.value.vmPaths('vm.a' as Address);
  mkdirSync(run, { recursive: true, mode: 0o700 });
  return `${run}/api.sock`;
}

t.setTimeout(600_000);

const vmms = (host: ProgramHost): number =>
  processesOf(host.home).filter(({ words }) => words.includes('--api-socket')).length;

const atStart: readonly { readonly fault: Fault; readonly says: RegExp; readonly args?: readonly string[] }[] = [
  { fault: { on: 'vm.create', do: 'crash' }, says: /SBX5001 Cloud Hypervisor ended with 1/ },
  { fault: { on: 'vm.boot', do: 'crash' }, says: /SBX5001 Cloud Hypervisor ended with 1/ },
  { fault: { on: 'vm.boot', do: 'sigsys' }, says: /SBX5001 .*seccomp/ },
  { fault: { on: 'vm.boot', do: 'error', status: 500, causes: ['The disk is on fire'] }, says: /on fire/ },
  { fault: { on: 'vm.create', do: 'garbage' }, says: /SBX5001 Cloud Hypervisor: vm.create broke off/ },
  { fault: { on: 'vm.boot', do: 'half' }, says: /SBX5001 Cloud Hypervisor: vm.boot broke off/ },
  { fault: { on: 'vm.boot', do: 'reset' }, says: /SBX5001 Cloud Hypervisor: vm.boot broke off/ },
  { fault: { on: 'vmm.ping', do: 'garbage' }, says: /SBX5001/ },
  { fault: { on: 'vm.boot', do: 'hang' }, says: /SBX3172|--timeout/, args: ['--timeout', '3s'] },
  { fault: { on: 'vm.boot', do: 'half-hang' }, says: /SBX3172|--timeout/, args: ['--timeout', '3s'] },
  { fault: { on: 'vm.create', do: 'lost' }, says: /SBX3172|--timeout/, args: ['--timeout', '3s'] },
];

t.test(
  'a start that goes wrong leaves no process, and the next apply starts it',
  { skip: whyNoProgram, timeout: 600_000 },
  async (t) => {
    t.jobs = 4;
    for (const { fault, says, args = [] } of atStart) {
      void t.test(`${fault.on} ${fault.do}`, { buffered: true }, async (t) => {
        const host = await makeProgramHost(t);
        host.write(oneVm);
        await setFaults(apiSocket(host), [fault]);
        const { code, stdout, stderr } = await host.sbx('apply', '--auto-approve', ...args);
        t.equal(code, 5, 'partly applied', { stdout, stderr });
        t.match(stdout, /vm\.a failed/);
        t.match(stdout, says);
        t.notMatch(stdout + stderr, /SBX9/);
        t.equal(vmms(host), 0, 'no VMM is left');
        // The VM is made anew with its folder, in which the faults are.
        t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
        t.strictSame(await host.changes(), []);
      });
    }
  },
);
