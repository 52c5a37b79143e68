// A VMM that was changed or lost behind our back: whatever is asked of its VM ends with its process, and costs what it does.
import { existsSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import t from 'tap';
import type { Address } from '../../src/core/address.ts';
import { resolveHome, sandboxLayout } from '../../src/store/home.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';
import { processesSaying } from '../support/sandbox-host.ts';

t.setTimeout(600_000);
const limits = { skip: whyNoProgram, timeout: 600_000 };

function runFolder(host: ProgramHost): string {
  const layout = sandboxLayout(resolveHome({ flag: host.home, environment: {}, uid: 0 }), { name: 'shop' });
  if (!layout.ok) throw new TypeError('the test has a bad home');
  return layout.value.vmPaths('vm.a' as Address).run;
}

function put(host: ProgramHost, action: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath: `${runFolder(host)}/api.sock`, method: 'PUT', path: `/api/v1/${action}` },
      (reply) => {
        reply.resume().on('end', resolve);
      },
    );
    call.on('error', reject).end();
  });
}

const vmms = (host: ProgramHost): number => processesSaying(host.home, '--api-socket').length;

const broken: readonly {
  readonly name: string;
  readonly state: string;
  readonly break: (host: ProgramHost) => Promise<void> | void;
  /** Whether a guest still runs, so that ending it has its price */
  readonly guest: boolean;
}[] = [
  { name: 'its socket is gone', state: 'lost', guest: true, break: (host) => rmSync(`${runFolder(host)}/api.sock`) },
  {
    name: 'its folder is gone',
    state: 'lost',
    guest: true,
    break: (host) => rmSync(runFolder(host), { recursive: true }),
  },
  {
    name: 'it was shut down over the socket',
    state: 'halted',
    guest: false,
    break: (host) => put(host, 'vm.shutdown'),
  },
  { name: 'it was deleted over the socket', state: 'halted', guest: false, break: (host) => put(host, 'vm.delete') },
];

const asked: readonly {
  readonly name: string;
  readonly ask: (host: ProgramHost) => Promise<{ code: number | null }>;
}[] = [
  { name: 'sbx stop', ask: (host) => host.sbx('stop', 'a') },
  {
    name: 'state: stopped',
    ask: async (host) => {
      host.write(oneVm.replace('a: { image', 'a: { state: stopped, image'));
      return await host.sbx('apply', '--auto-approve');
    },
  },
  { name: 'sbx destroy', ask: (host) => host.sbx('destroy', '--auto-approve') },
  {
    name: 'a VM that the file no longer has',
    ask: async (host) => {
      host.write(oneVm.replace(/vms:[\s\S]*/u, ''));
      return await host.sbx('apply', '--auto-approve');
    },
  },
];

for (const { name, state, guest, break: breakIt } of broken) {
  t.test(`${name}: the plan says ${state}, at its price`, limits, async (t) => {
    const host = await makeProgramHost(t);
    host.write(oneVm);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    await breakIt(host);
    const { stdout } = await host.sbx('plan');
    t.match(stdout, new RegExp(`state: running → ${state}: `));
    t.notMatch(stdout, /cut short/);
    const { vms } = JSON.parse((await host.sbx('status', '--json')).stdout) as { vms: { state: string }[] };
    t.strictSame(
      vms.map((vm) => vm.state),
      [state],
    );
    t.equal((await host.sbx('apply', '--auto-approve', '--max-impact', 'live')).code, guest ? 7 : 0);
    t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
    t.strictSame(await host.changes(), [], 'healed by one apply');
    t.equal(vmms(host), 1, 'one VMM runs, the former one does not');
  });

  for (const { name: what, ask } of asked) {
    t.test(`${name}, then ${what}: no process is left`, limits, async (t) => {
      const host = await makeProgramHost(t);
      host.write(oneVm);
      t.equal((await host.sbx('apply', '--auto-approve')).code, 0);
      await breakIt(host);
      t.equal(vmms(host), 1);
      t.equal((await ask(host)).code, 0);
      t.equal(vmms(host), 0);
      t.notOk(existsSync(`${runFolder(host)}/api.sock`));
    });
  }
}
