// A host that has other users: whatever words they put on their command lines, their processes are none of ours.
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Address } from '../../src/core/address.ts';
import { resolveHome, type SandboxLayout, sandboxLayout } from '../../src/store/home.ts';
import { filesOf, vmmArgv } from '../../src/vmm/cloud-hypervisor/argv.ts';
import { impostor, isUnharmed, type Whose, whyNoOtherUser } from '../support/other-user.ts';
import { makeProgramHost, oneVm, type ProgramHost, whyNoProgram } from '../support/program-host.ts';

t.setTimeout(600_000);

const natVm = oneVm.replace('isolated', 'nat');

function layoutOf(host: ProgramHost): SandboxLayout {
  const layout = sandboxLayout(resolveHome({ flag: host.home, environment: {}, uid: 0 }), { name: 'shop' });
  if (!layout.ok) throw new TypeError('the test has a bad home');
  return layout.value;
}

/** One of each: what the sandbox's own VMM, holders and uplink have on their command lines. */
async function impostors(t: Test, host: ProgramHost, whose: Whose) {
  const layout = layoutOf(host);
  const [, ...vmm] = vmmArgv('', filesOf(layout.vmPaths('vm.a' as Address)));
  const named = [layout.home.state, layout.id, layout.runDir];
  return {
    vmm: await impostor(t, whose, 'cloud-hypervisor', vmm),
    uplink: await impostor(t, whose, 'slirp4netns', ['--api-socket', join(layout.runDir, 'uplink.sock')]),
    keeper: await impostor(t, whose, 'sh', ['holder.sh', 'held', ...named]),
    watcher: await impostor(t, whose, 'sh', ['holder.sh', 'watch', ...named]),
  };
}

for (const whose of ['another user', 'setuid'] as const satisfies readonly Whose[]) {
  t.test(
    `nothing that sbx does ends a process of ${whose}, or takes one for ours`,
    { skip: whyNoProgram || whyNoOtherUser, timeout: 600_000 },
    async (t) => {
      const host = await makeProgramHost(t);
      host.write(natVm);
      const others = await impostors(t, host, whose);
      const unharmed = (when: string): void => {
        for (const [role, child] of Object.entries(others)) t.ok(isUnharmed(child), `${role} after ${when}`);
      };
      const done = async (...args: readonly string[]): Promise<void> => {
        const { code, stdout, stderr } = await host.sbx(...args);
        t.equal(code, 0, args.join(' '), { stdout, stderr });
        unharmed(args.join(' '));
      };
      await done('apply', '--auto-approve');
      t.strictSame(await host.changes(), []);
      await done('stop', 'a');
      await done('start', 'a');
      t.strictSame(JSON.parse((await host.sbx('gc', '--json')).stdout).found, [], 'no garbage');
      // A VMM that was killed, with what it leaves: the one that is looked for by its words.
      const { pid } = JSON.parse((await host.sbx('show', 'a', '--json')).stdout).resources[0].record.facts.process;
      process.kill(pid, 'SIGKILL');
      const { run } = layoutOf(host).vmPaths('vm.a' as Address);
      for (const name of readdirSync(run)) if (name.endsWith('.sock')) rmSync(join(run, name));
      writeFileSync(join(run, 'vmm.started'), '');
      await done('apply', '--auto-approve');
      t.strictSame(await host.changes(), []);
      await done('destroy', '--auto-approve');
      rmSync(join(host.home, 'state'), { recursive: true, force: true });
      t.strictSame(JSON.parse((await host.sbx('gc', '--json')).stdout).found, [], 'no garbage afterwards');
    },
  );
}
