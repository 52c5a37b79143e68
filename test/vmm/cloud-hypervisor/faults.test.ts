// The driver against a VMM that misbehaves. One VM per test; the faults are those of the fake's README.
import { writeFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import t from 'tap';
import { refOf } from '../../../src/host/processes.ts';
import { type Fault, setFaults } from '../../fakes/cloud-hypervisor/install.ts';
import { fakeVm } from '../../support/fake-vm.ts';

const mebibyte = 1024 * 1024;

t.test('observe tells what is wrong with an answer, and never throws', async (t) => {
  const { driver, files, start } = await fakeVm(t, {}, { observeMs: 2000 });
  const ref = await start();
  const cases: readonly { name: string; fault: Omit<Fault, 'on'>; want: object }[] = [
    { name: 'half an answer and the end', fault: { do: 'half' }, want: { state: 'unresponsive', reason: /middle/ } },
    {
      name: 'half an answer and nothing',
      fault: { do: 'half-hang' },
      want: { state: 'unresponsive', reason: /2000 ms/ },
    },
    { name: 'garbage', fault: { do: 'garbage' }, want: { state: 'unresponsive', reason: /not HTTP/ } },
    { name: 'too much', fault: { do: 'huge' }, want: { state: 'unresponsive', reason: /more than/ } },
    { name: 'a reset', fault: { do: 'reset' }, want: { state: 'unresponsive', reason: /broke|closed/ } },
    { name: 'an error', fault: { do: 'error' }, want: { state: 'unresponsive', reason: /told to fail/ } },
    {
      name: 'no VM',
      fault: { do: 'error', status: 404, causes: ['Error from API', 'VM is not created'] },
      want: { state: 'halted', reason: /deleted from outside/ },
    },
    { name: 'one reset', fault: { do: 'reset', times: 1 }, want: { state: 'running' } },
    { name: 'no fault', fault: { do: 'slow', ms: 1 }, want: { state: 'running' } },
    { name: 'slow beyond the limit', fault: { do: 'slow', ms: 6000, times: 1 }, want: { state: 'unresponsive' } },
  ];
  for (const { name, fault, want } of cases) {
    await setFaults(files.apiSocket, [{ ...fault, on: 'vm.info' }]);
    t.match(await driver.observe(ref), want, name);
  }
});

t.test('a VMM that dies while it is asked is dead, not unresponsive', async (t) => {
  for (const fault of ['crash', 'sigsys'] as const) {
    const { driver, files, start } = await fakeVm(t);
    const ref = await start();
    await setFaults(files.apiSocket, [{ on: 'vm.info', do: fault }]);
    t.match(await driver.observe(ref), { state: 'dead', reason: /killed or crashed/ }, fault);
  }
});

t.test('a start that fails says what the VMM said and leaves nothing', async (t) => {
  const cases: readonly { name: string; faults: readonly Fault[]; want: RegExp }[] = [
    {
      name: 'create refused',
      faults: [{ on: 'vm.create', do: 'error', causes: ['no such thing'] }],
      want: /vm\.create: no such thing/,
    },
    { name: 'boot refused', faults: [{ on: 'vm.boot', do: 'error' }], want: /vm\.boot: told to fail/ },
    { name: 'boot breaks off', faults: [{ on: 'vm.boot', do: 'reset' }], want: /vm\.boot broke off/ },
    { name: 'boot hangs', faults: [{ on: 'vm.boot', do: 'hang' }], want: /no reply to vm\.boot within 2000 ms/ },
    { name: 'the VMM crashes', faults: [{ on: 'vm.boot', do: 'crash' }], want: /ended with 1.*panicked/ },
    {
      name: 'its seccomp filter kills it',
      faults: [{ on: 'vm.create', do: 'sigsys' }],
      want: /seccomp filter \(SIGSYS\)/,
    },
    { name: 'garbage on the socket', faults: [{ on: 'vmm.ping', do: 'garbage' }], want: /not HTTP/ },
  ];
  for (const { name, faults, want } of cases) {
    await t.test(name, async (t) => {
      const { driver, spec, files, context } = await fakeVm(t, {}, { bootMs: 2000 });
      await setFaults(files.apiSocket, faults);
      await t.rejects(driver.start(spec, context), { code: 'SBX5001', message: want });
      t.strictSame(await readdir(spec.paths.run), ['api.sock.faults']);
      t.strictSame(await driver.observe({ paths: spec.paths }), { state: 'absent' });
    });
  }
});

t.test('of the log only what belongs to the failure is quoted', async (t) => {
  const { driver, spec, context, files } = await fakeVm(t, { EXIT_AT_START: '1' });
  writeFileSync(files.vmmLog, 'cloud-hypervisor: 9.1s: <vmm> ERROR:vmm.rs:1 -- of an earlier start\n');
  const warn = 'echo "cloud-hypervisor: 0.1s: <vmm> WARN:vmm.rs:2 -- odd but well" >&2; exec "$@"';
  const enter = (argv: readonly string[]) => ['/bin/sh', '-c', warn, 'sh', ...context.enter(argv)];
  const error = await driver.start(spec, { ...context, enter }).then(
    () => undefined,
    (error: Error) => error,
  );
  t.match(error?.message, /told to fail/);
  t.notMatch(error?.message, /earlier|odd but well/);
});

t.test('a VMM that ends at once, or never listens', async (t) => {
  await t.test('ends with 1', async (t) => {
    const { driver, spec, context } = await fakeVm(t, { EXIT_AT_START: '1' });
    await t.rejects(driver.start(spec, context), { code: 'SBX5001', message: /ended with 1.*told to fail/ });
    t.strictSame(await readdir(spec.paths.run), []);
  });
  await t.test('never listens', async (t) => {
    const { driver, spec, context } = await fakeVm(t, { NO_SOCKET: '1' }, { socketMs: 400 });
    await t.rejects(driver.start(spec, context), { code: 'SBX5001', message: /socket did not answer within 400 ms/ });
    t.strictSame(await readdir(spec.paths.run), []);
  });
  await t.test('a program that is not there', async (t) => {
    const { driver, spec } = await fakeVm(t);
    const context = { enter: () => ['/no/such/program'], signal: new AbortController().signal };
    await t.rejects(driver.start(spec, context), { name: 'SbxError' });
    t.strictSame(await readdir(spec.paths.run), []);
  });
});

t.test('a disk that this build cannot grow live is told with the way out', async (t) => {
  const { driver, files, start } = await fakeVm(t, { VERSION: '51.0' });
  const ref = await start();
  const causes = ['Error from API', 'The disk could not be resized', 'Unsupported operation'];
  await setFaults(files.apiSocket, [{ on: 'vm.resize-disk', do: 'error', causes }]);
  await t.rejects(driver.growDisk(ref, 'root', 64 * mebibyte), { code: 'SBX5007', hint: /sbx restart/ });
});

t.test('a request whose answer is lost is not sent again; the state is read instead', async (t) => {
  const { driver, fake, spec, files, start } = await fakeVm(t, {}, { requestMs: 2000 });
  const ref = await start();
  const sent = async (action: string): Promise<number> =>
    (await fake.calls()).filter((call) => call.action === action).length;
  const disk = { id: 'more', path: spec.kernel, format: 'raw' as const, readonly: true };
  for (const fault of ['lost', 'reset', 'half'] as const) {
    await setFaults(files.apiSocket, [{ on: 'vm.add-disk', do: fault }]);
    const before = await sent('vm.add-disk');
    await driver.attachDisk(ref, disk);
    t.equal((await sent('vm.add-disk')) - before, 1, `${fault}: asked once`);
    t.match(await driver.observe(ref), { disks: { more: null } }, `${fault}: done`);
    await driver.detachDisk(ref, 'more');
  }
  await setFaults(files.apiSocket, [{ on: 'vm.resize', do: 'lost' }]);
  await driver.resizeMemory(ref, 384 * mebibyte);
  t.match(await driver.observe(ref), { memoryBytes: 384 * mebibyte });
  await setFaults(files.apiSocket, [{ on: 'vm.pause', do: 'lost' }]);
  await driver.pause(ref);
  t.match(await driver.observe(ref), { state: 'paused' });
});

t.test('a request that was refused is not taken for done', async (t) => {
  const { driver, spec, files, start } = await fakeVm(t, {}, { requestMs: 2000 });
  const ref = await start();
  await setFaults(files.apiSocket, [{ on: 'vm.add-disk', do: 'error', causes: ['Error from API', 'no more slots'] }]);
  const disk = { id: 'more', path: spec.kernel, format: 'raw' as const, readonly: true };
  await t.rejects(driver.attachDisk(ref, disk), { code: 'SBX5002', message: /vm\.add-disk: no more slots/ });
  await setFaults(files.apiSocket, [{ on: 'vm.pause', do: 'error' }]);
  await t.rejects(driver.pause(ref), { code: 'SBX5002' });
});

t.test('guests that do not follow are reported with how far they came', async (t) => {
  const limits = { resizeMs: 1500, detachMs: 1500 };
  const settings = { KEEP_DEVICES: '1', STUBBORN_MEMORY: String(64 * mebibyte), GUEST_MS: '1' };
  const { driver, start } = await fakeVm(t, settings, limits);
  const ref = await start();
  await driver.resizeMemory(ref, 384 * mebibyte);
  await t.rejects(driver.resizeMemory(ref, 256 * mebibyte), { code: 'SBX5005', message: /has 320 MiB.*256 MiB/ });
  await t.rejects(driver.detachDisk(ref, 'root'), { code: 'SBX5006', message: /disk-root/ });
  await t.rejects(driver.detachDisk(ref, 'root'), { code: 'SBX5006' }, 'and again when asked again');
});

t.test('a removal that a busy guest missed is asked for again where the release takes that', async (t) => {
  const limits = { detachMs: 3000, removeAgainMs: 200 };
  const removals = async (
    version: string,
    lost: string,
  ): Promise<{ readonly error: unknown; readonly asked: number }> => {
    const { driver, fake, start } = await fakeVm(t, { VERSION: version, LOSE_REMOVALS: lost }, limits);
    const ref = await start();
    const error = await driver.detachDisk(ref, 'root').catch((cause: unknown) => cause);
    const asked = (await fake.calls()).filter(({ action }) => action === 'vm.remove-device').length;
    return { error, asked };
  };
  t.strictSame(await removals('54.0', '2'), { error: undefined, asked: 3 });
  t.match(await removals('53.0', '1'), { error: { code: 'SBX5006' }, asked: 1 });
});

t.test(
  'a device that is unknown when its removal is asked for is believed gone only when the tree says so',
  async (t) => {
    const { driver, fake, files, start } = await fakeVm(t, { VERSION: '54.0' }, { removeAgainMs: 200 });
    const ref = await start();
    const causes = ['Error from API', 'The device could not be removed', 'Unknown device id disk-root'];
    await setFaults(files.apiSocket, [{ on: 'vm.remove-device', do: 'error', status: 404, causes, times: 1 }]);
    await t.resolves(driver.detachDisk(ref, 'root'));
    t.equal((await fake.calls()).filter(({ action }) => action === 'vm.remove-device').length, 2);
    await t.resolves(driver.detachDisk(ref, 'root'), 'and one that is gone is no error');
  },
);

t.test('pending vCPU removals are waited for', async (t) => {
  for (const version of ['40.0', '53.0']) {
    const { driver, start } = await fakeVm(t, { VERSION: version, GUEST_MS: '300' });
    const ref = await start();
    await driver.resizeCpus(ref, 4);
    await driver.resizeCpus(ref, 2);
    await driver.resizeCpus(ref, 3);
    t.match(await driver.observe(ref), { cpus: 3 }, version);
  }
});

t.test('a guest that ignores the power button is ended after its grace', async (t) => {
  const { driver, fake, start, spec } = await fakeVm(t, { IGNORE_POWER_BUTTON: '1' });
  const ref = await start();
  const began = performance.now();
  await driver.stop(ref, 300, new AbortController().signal);
  t.ok(performance.now() - began >= 300, 'not before');
  t.strictSame(await readdir(spec.paths.run), []);
  t.match((await fake.calls()).map((call) => call.action).slice(-2), ['vm.power-button', 'vmm.shutdown']);
});

t.test('a paused guest is resumed so that it can power off', async (t) => {
  const { driver, fake, start } = await fakeVm(t);
  const ref = await start();
  await driver.pause(ref);
  await driver.stop(ref, 5000, new AbortController().signal);
  const actions = (await fake.calls()).map((call) => call.action);
  t.strictSame(actions.slice(-2), ['vm.resume', 'vm.power-button']);
});

t.test('an interrupted stop leaves the guest to its power-off', async (t) => {
  const { driver, start } = await fakeVm(t, { IGNORE_POWER_BUTTON: '1' });
  const ref = await start();
  const controller = new AbortController();
  const stopping = driver.stop(ref, 60_000, controller.signal);
  controller.abort();
  await t.rejects(stopping, { name: 'SbxError' });
  t.match(await driver.observe(ref), { state: 'running' });
});

t.test('a start that is interrupted while the VMM says its first word asks nothing more of it', async (t) => {
  const { driver, spec, files, context } = await fakeVm(t);
  const controller = new AbortController();
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    controller.abort();
    response.end('{}');
  });
  t.teardown(() => server.close());
  // Answers in place of the VMM, which is up only when the test is not looking.
  const enter = () => {
    server.listen(files.apiSocket);
    return ['/bin/sleep', '60'];
  };
  await t.rejects(driver.start(spec, { ...context, enter, signal: controller.signal }), { code: 'SBX5001' });
  t.strictSame(asked, ['/api/v1/vmm.ping']);
});

t.test('the serial log of the start before is kept', async (t) => {
  const { driver, start, files } = await fakeVm(t);
  await driver.stop(await start(), 5000, new AbortController().signal);
  const before = await readFile(files.serialLog, 'utf8');
  await start();
  t.equal(await readFile(`${files.serialLog}.1`, 'utf8'), before);
});

t.test('releases below 39 are not given kernels that they cannot boot', async (t) => {
  const { driver, spec, context } = await fakeVm(t, { VERSION: '38.0' });
  const bzImage = { ...spec, kernel: spec.disks[0]?.path ?? '' };
  await t.rejects(driver.start(bzImage, context), { code: 'SBX5007', message: /ELF form/ });
});

t.test('a VMM that is stopped by a signal is told at once, and ended at once', async (t) => {
  // Whoever waited for the limits would not see the end of the test.
  const { driver, start } = await fakeVm(t, {}, { observeMs: 3_600_000, requestMs: 3_600_000 });
  const ref = await start();
  const { pid = 0 } = ref.process ?? {};
  process.kill(pid, 'SIGSTOP');
  const reason = `its VMM is stopped by a signal or a debugger (kill -CONT ${pid} lets it go on)`;
  // The fake's hub answers for it, and a hub cannot be stopped for one VMM.
  await setFaults(`${ref.paths.run}/api.sock`, [{ on: '*', do: 'hang' }]);
  t.strictSame(await driver.observe(ref), { state: 'unresponsive', reason });
  await driver.stop(ref, 3_600_000, new AbortController().signal);
  t.equal(refOf(pid), undefined);
});
