// What others do to a VMM over its socket or to its files: told for what it is, and no end is taken for another.
import { rm } from 'node:fs/promises';
import t from 'tap';
import { isAlive, waitForEnd } from '../../../src/host/processes.ts';
import { openClient } from '../../../src/vmm/cloud-hypervisor/client.ts';
import type { VmRef } from '../../../src/vmm/driver.ts';
import { fakeVm } from '../../support/fake-vm.ts';

async function put(ref: VmRef, action: string): Promise<void> {
  const client = await openClient(`${ref.paths.run}/api.sock`);
  await client.put(action, undefined, 5000);
  await client.close();
}

const cases = [
  { action: 'vm.shutdown', reason: /not booted: it was shut down from outside/ },
  { action: 'vm.delete', reason: /holds no VM: it was deleted from outside/ },
] as const;

for (const { action, reason } of cases) {
  t.test(`${action} from outside leaves a VMM that is halted, and is ended by a stop`, async (t) => {
    const { driver, start } = await fakeVm(t);
    const ref = await start();
    await put(ref, action);
    t.match(await driver.observe(ref), { state: 'halted', reason });
    t.match(
      await driver.observe({ paths: ref.paths }),
      { state: 'halted', reason: /a start was cut short/ },
      'unrecorded',
    );
    await driver.stop(ref, 1000, new AbortController().signal);
    t.notOk(isAlive(ref.process), 'no process is left');
    t.strictSame(await driver.observe({ paths: ref.paths }), { state: 'absent' });
  });

  t.test(`a VMM that is killed after ${action} has not exited by itself`, async (t) => {
    const { driver, start, files } = await fakeVm(t);
    const ref = await start();
    await put(ref, action);
    const pid = ref.process?.pid ?? 0;
    process.kill(pid, 'SIGKILL');
    if (ref.process !== undefined) await waitForEnd(ref.process, 10_000);
    await rm(files.apiSocket, { force: true });
    t.match(await driver.observe(ref), { state: 'dead' });
  });
}

t.test('a VMM whose socket or whole folder is gone is lost, and ended by a stop that knows no process', async (t) => {
  for (const what of ['socket', 'folder'] as const) {
    const { driver, start, files, spec } = await fakeVm(t);
    const ref = await start();
    await rm(what === 'socket' ? files.apiSocket : spec.paths.run, { recursive: true });
    t.match(await driver.observe(ref), { state: 'lost', reason: /its socket is gone/ }, what);
    await driver.stop({ paths: ref.paths }, 1000, new AbortController().signal);
    t.notOk(isAlive(ref.process), `${what}: no process is left`);
  }
});
