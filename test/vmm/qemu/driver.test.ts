// The driver on real QEMU under emulation, with the tiny image; what every driver must do is in test/contract.
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import type { VmObservation } from '../../../src/core/observed.ts';
import { type AgentSession, waitForAgent } from '../../../src/guest/agent.ts';
import { findProcesses, refOf } from '../../../src/host/processes.ts';
import type { DiskSpec, NicSpec, VmmDriver, VmRef, VmSpec } from '../../../src/vmm/driver.ts';
import { qemuCapabilities } from '../../../src/vmm/qemu/capabilities.ts';
import { detectQemu } from '../../../src/vmm/qemu/detect.ts';
import { createQemuDriver } from '../../../src/vmm/qemu/driver.ts';
import { defaultLimits } from '../../../src/vmm/qemu/limits.ts';
import { shortFolder } from '../../support/fake-qmp.ts';
import { noMount, smallDisk } from '../../support/small-disk.ts';
import { cannotBoot, tinyImage } from '../../support/tiny-image.ts';

const mebibyte = 1024 * 1024;
const qemu = '/usr/bin/qemu-system-x86_64';
const context = { enter: (argv: readonly string[]) => argv, signal: new AbortController().signal };
const never = new AbortController().signal;

t.setTimeout(600_000);

t.test('QEMU under emulation', { skip: cannotBoot() }, async (t) => {
  const image = await tinyImage();
  const detected = await detectQemu({ path: qemu, kvm: async () => ({ usable: false, reason: 'no' }) });
  if (!detected.available) throw new Error(detected.reason);
  const driver = createQemuDriver(detected.capabilities);

  /** A VM of its own folders; whatever happens, its process ends with the test. */
  const vmIn = (t: Test, change: Partial<VmSpec> = {}): VmSpec => {
    const folder = shortFolder(t);
    const paths = { run: join(folder, 'run'), data: join(folder, 'data') };
    for (const path of Object.values(paths)) mkdirSync(path, { mode: 0o700 });
    t.teardown(() => driver.stop({ paths }, 0, never));
    return {
      name: 'sbx-test-vm',
      uuid: '6f1f1b1c-0000-4000-8000-000000000001',
      paths,
      kernel: image.kernel,
      ...(image.initrd === undefined ? {} : { initrd: image.initrd }),
      cmdline: `${image.cmdline} ${driver.consoleCmdline}`,
      cpus: { count: 1, max: 3 },
      memory: { sizeBytes: 192 * mebibyte, maxBytes: 512 * mebibyte },
      disks: [],
      nics: [],
      ...change,
    };
  };

  await t.test('a VM lives through everything that the interface can do', async (t) => {
    const disk = emptyDisk(shortFolder(t), 'data', 64);
    const spec = vmIn(t);
    const { process } = await driver.start(spec, context);
    const ref = { paths: spec.paths, process };
    await t.rejects(driver.start(spec, context), { code: 'SBX5004' }, 'a VM that runs is not started again');
    const shape = { state: 'running', cpus: 1, cpusMax: 3, memoryBytes: 192 * mebibyte, disks: {}, nics: {} };
    t.match(await driver.observe(ref), { ...shape, memoryMaxBytes: 512 * mebibyte });
    t.match(await driver.observe({ paths: spec.paths }), shape, 'a process that was not recorded is found');
    await t.rejects(driver.openAgent(ref), { code: 'SBX8001' }, 'nobody listens yet');
    const agent = await waitForAgent(() => driver.openAgent(ref), { timeoutMs: 120_000 });
    t.teardown(() => agent.close());
    await checkResizes(t, driver, ref, agent);
    await checkDisk(t, driver, ref, agent, disk);
    await checkNic(t, driver, ref, agent);
    await checkPause(t, driver, ref);
    agent.close();
    await checkConsole(t, driver, ref);
    const startMs = performance.now();
    await driver.stop(ref, 30_000, never);
    t.comment(`stopped in ${Math.round(performance.now() - startMs)} ms`);
    t.strictSame(readdirSync(spec.paths.run), [], 'no socket is left');
    t.equal(refOf(process.pid), undefined, 'no process is left');
    t.strictSame(await driver.observe({ paths: spec.paths }), { state: 'absent' });
    await driver.stop(ref, 30_000, never);
  });

  await t.test('a guest that powers itself off has exited', async (t) => {
    const spec = vmIn(t);
    const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
    const agent = await waitForAgent(() => driver.openAgent(ref), { timeoutMs: 120_000 });
    await agent.exec(['/bin/sh', '-c', 'poweroff -f >/dev/null 2>&1 &'], { timeoutMs: 10_000 }).catch(() => undefined);
    agent.close();
    t.strictSame(await settled(driver, ref), { state: 'exited' });
    t.strictSame(await driver.observe({ ...ref, process: { ...ref.process, bootId: 'another boot' } }), {
      state: 'dead',
      reason: 'the host was started anew since',
    });
  });

  await t.test('a VM that is stopped during its boot still gets the chance to shut down', async (t) => {
    const spec = vmIn(t);
    const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
    await driver.stop(ref, 60_000, never);
    t.equal(refOf(ref.process.pid), undefined);
    t.strictSame(readdirSync(spec.paths.run), []);
  });

  await t.test('grace is given up when the wait is called off, and the VM is left as it is', async (t) => {
    const spec = vmIn(t);
    const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
    await driver.pause(ref);
    await t.rejects(driver.stop(ref, 60_000, AbortSignal.abort(new DOMException('enough', 'AbortError'))), {
      message: 'enough',
    });
    t.match(await driver.observe(ref), { state: 'paused' });
  });

  await t.test('a killed QEMU is dead, and can be started again', async (t) => {
    const spec = vmIn(t);
    const first = { paths: spec.paths, ...(await driver.start(spec, context)) };
    process.kill(first.process.pid, 'SIGKILL');
    t.match(await settled(driver, first), { state: 'dead', reason: /killed or crashed/ });
    t.match(await driver.observe({ paths: spec.paths }), { state: 'dead' });
    const second = { paths: spec.paths, ...(await driver.start(spec, context)) };
    t.match(await driver.observe(second), { state: 'running' });
    t.match(
      await driver.observe(first),
      { state: 'running' },
      'the new process is found though the old one is recorded',
    );
  });

  await t.test('a QEMU that is stopped by a signal is told at once, and is ended all the same', async (t) => {
    // Whoever waited for the limits would not see the end of the test.
    const patient = createQemuDriver(detected.capabilities, { ...defaultLimits, observeMs: 3_600_000 });
    const spec = vmIn(t);
    const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
    process.kill(ref.process.pid, 'SIGSTOP');
    const reason = `its VMM is stopped by a signal or a debugger (kill -CONT ${ref.process.pid} lets it go on)`;
    t.strictSame(await patient.observe(ref), { state: 'unresponsive', reason });
    await patient.stop(ref, 3_600_000, never);
    t.equal(refOf(ref.process.pid), undefined);
  });

  await t.test(
    'a guest whose write finds no room is held, and goes on when there is some',
    { skip: noMount ?? false },
    async (t) => {
      const small = smallDisk(t, 8192);
      const disk = emptyDisk(small.folder, 'data', 64);
      const spec = vmIn(t, { disks: [disk] });
      const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
      const agent = await waitForAgent(() => driver.openAgent(ref), { timeoutMs: 120_000 });
      small.fill();
      const write = 'dd if=/dev/urandom of=/dev/vda bs=64k count=16 conv=fsync >/dev/null 2>&1 &';
      await agent.exec(['/bin/sh', '-c', write], { timeoutMs: 30_000 });
      agent.close();
      t.match(await settled(driver, ref), { state: 'blocked', cpus: 1, reason: /want of room/ });
      await t.rejects(driver.resume(ref), { code: 'SBX5011' }, 'there is none yet');
      t.match(await driver.observe(ref), { state: 'blocked' });
      small.free();
      await driver.resume(ref);
      t.match(await driver.observe(ref), { state: 'running' });
      const again = await waitForAgent(() => driver.openAgent(ref), { timeoutMs: 120_000 });
      again.close();
      t.pass('its agent answers again');
    },
  );

  await t.test('a QEMU whose socket was removed is lost, and is stopped all the same', async (t) => {
    const spec = vmIn(t);
    const ref = { paths: spec.paths, ...(await driver.start(spec, context)) };
    for (const name of readdirSync(spec.paths.run)) rmSync(join(spec.paths.run, name));
    const lost = { state: 'lost', reason: `QEMU (pid ${ref.process.pid}) runs, but its socket is gone` };
    t.strictSame(await driver.observe(ref), lost);
    t.strictSame(await driver.observe({ paths: spec.paths }), lost, 'also when the process was not recorded');
    await driver.stop({ paths: spec.paths }, 0, never);
    t.equal(refOf(ref.process.pid), undefined);
  });

  await t.test("a VM that cannot start says why in QEMU's words, and leaves nothing", async (t) => {
    const missing: DiskSpec = { id: 'root', path: '/nowhere/root.raw', format: 'raw', readonly: false };
    const spec = vmIn(t, { disks: [missing] });
    await t.rejects(driver.start(spec, context), {
      code: 'SBX5001',
      message: /^QEMU ended with 1: .*Could not open '\/nowhere\/root.raw': No such file or directory$/,
      hint: new RegExp(join(spec.paths.data, 'vmm.log')),
    });
    t.strictSame(readdirSync(spec.paths.run), []);
    t.strictSame(await driver.observe({ paths: spec.paths }), { state: 'absent' });
    const tap: NicSpec = { id: 'lan', mac: '52:54:00:00:00:01', connection: { type: 'tap', ifname: 'sbxnothere' } };
    await t.rejects(driver.start(vmIn(t, { nics: [tap], disks: [] }), { ...context, enter: asNobody }), {
      code: 'SBX5001',
    });
    const gone = createQemuDriver({ ...detected.capabilities, path: '/nowhere/qemu' });
    await t.rejects(gone.start(vmIn(t), context), { code: 'SBX6001', message: 'cannot run /nowhere/qemu' });
    const deep = vmIn(t);
    const run = `${deep.paths.run}/${'x'.repeat(100)}`;
    await t.rejects(driver.start({ ...deep, paths: { ...deep.paths, run } }, context), { code: 'SBX5008' });
  });

  await t.test('a start that is called off leaves nothing', async (t) => {
    const spec = vmIn(t);
    const called = new AbortController();
    const enter = (argv: readonly string[]) => {
      setImmediate(() => called.abort(new DOMException('enough', 'AbortError')));
      return argv;
    };
    await t.rejects(driver.start(spec, { enter, signal: called.signal }), { message: 'enough' });
    t.strictSame(readdirSync(spec.paths.run), []);
    t.strictSame(
      findProcesses((argv) => argv.includes(join(spec.paths.run, 'pid'))),
      [],
    );
  });
});

t.test('the pc machine of versions below 7.2 boots and takes disks', { skip: cannotBoot() }, async (t) => {
  const image = await tinyImage();
  const driver = createQemuDriver(qemuCapabilities(qemu, '6.2.0', 'tcg'));
  const folder = shortFolder(t);
  const paths = { run: join(folder, 'run'), data: join(folder, 'data') };
  for (const path of Object.values(paths)) mkdirSync(path, { mode: 0o700 });
  t.teardown(() => driver.stop({ paths }, 0, never));
  const { process } = await driver.start(
    {
      name: 'sbx-test-pc',
      uuid: '6f1f1b1c-0000-4000-8000-000000000002',
      paths,
      kernel: image.kernel,
      ...(image.initrd === undefined ? {} : { initrd: image.initrd }),
      cmdline: `${image.cmdline} ${driver.consoleCmdline}`,
      cpus: { count: 1, max: 2 },
      memory: { sizeBytes: 192 * mebibyte, maxBytes: 320 * mebibyte },
      disks: [emptyDisk(folder, 'one', 8)],
      nics: [],
    },
    context,
  );
  const ref = { paths, process };
  const agent = await waitForAgent(() => driver.openAgent(ref), { timeoutMs: 120_000 });
  await driver.resizeMemory(ref, 320 * mebibyte);
  await driver.attachDisk(ref, emptyDisk(folder, 'two', 8));
  await seen(t, agent, 'ls /sys/block', /vda\nvdb/);
  await driver.detachDisk(ref, 'one');
  t.match(await driver.observe(ref), { disks: { two: 8 * mebibyte }, memoryBytes: 320 * mebibyte });
  agent.close();
  await driver.stop(ref, 30_000, never);
});

async function checkResizes(t: Test, driver: VmmDriver, ref: VmRef, agent: AgentSession): Promise<void> {
  await driver.resizeCpus(ref, 3);
  await seen(t, agent, 'nproc', /^3$/m);
  await driver.resizeCpus(ref, 3);
  await t.rejects(driver.resizeCpus(ref, 4), { code: 'SBX5007' });
  await t.rejects(driver.resizeCpus(ref, 1), { code: 'SBX5007', message: /under emulation/ });
  const before = await memoryTotal(agent);
  await driver.resizeMemory(ref, 448 * mebibyte);
  await seen(t, agent, 'awk \'/MemTotal/ && $2 > 400000 {print "grown"}\' /proc/meminfo', /grown/);
  await driver.resizeMemory(ref, 256 * mebibyte);
  t.ok((await memoryTotal(agent)) < before + 80_000, 'memory that was taken away is gone from the guest');
  await t.rejects(driver.resizeMemory(ref, 128 * mebibyte), { code: 'SBX5007' });
  await t.rejects(driver.resizeMemory(ref, 1024 * mebibyte), { code: 'SBX5007' });
  t.match(await driver.observe(ref), { cpus: 3, memoryBytes: 256 * mebibyte });
}

async function checkDisk(t: Test, driver: VmmDriver, ref: VmRef, agent: AgentSession, disk: DiskSpec): Promise<void> {
  await driver.attachDisk(ref, disk);
  await driver.attachDisk(ref, disk);
  await seen(t, agent, 'cat /sys/block/vd*/serial /sys/block/vd*/size', /data\s*131072/);
  await driver.growDisk(ref, 'data', 96 * mebibyte);
  await driver.growDisk(ref, 'data', 96 * mebibyte);
  await seen(t, agent, 'cat /sys/block/vd*/size', /196608/);
  await t.rejects(driver.growDisk(ref, 'data', 64 * mebibyte), { code: 'SBX5007' });
  await t.rejects(driver.growDisk(ref, 'data', 97 * mebibyte + 1), { code: 'SBX5007' });
  await t.rejects(driver.growDisk(ref, 'other', 97 * mebibyte), { code: 'SBX5007' });
  t.match(await driver.observe(ref), { disks: { data: 96 * mebibyte } });
  await t.rejects(driver.attachDisk(ref, { ...disk, id: 'bad', path: '/nowhere' }), { code: 'SBX5002' });
  await driver.detachDisk(ref, 'data');
  await driver.detachDisk(ref, 'data');
  t.match(await driver.observe(ref), { disks: { data: undefined } });
  await driver.attachDisk(ref, disk);
  await driver.detachDisk(ref, 'data');
}

async function checkNic(t: Test, driver: VmmDriver, ref: VmRef, agent: AgentSession): Promise<void> {
  const mac = '52:54:00:5b:00:09';
  const nic: NicSpec = { id: 'lan', mac, connection: { type: 'user', isolated: false, forwards: [] } };
  await driver.attachNic(ref, nic);
  await driver.attachNic(ref, nic);
  await seen(t, agent, 'cat /sys/class/net/*/address', new RegExp(mac));
  t.match(await driver.observe(ref), { nics: { lan: mac } });
  await driver.detachNic(ref, 'lan');
  await driver.detachNic(ref, 'lan');
  t.match(await driver.observe(ref), { nics: { lan: undefined } });
}

async function checkPause(t: Test, driver: VmmDriver, ref: VmRef): Promise<void> {
  await driver.pause(ref);
  await driver.pause(ref);
  t.match(await driver.observe(ref), { state: 'paused', cpus: 3 });
  await driver.resume(ref);
  await driver.resume(ref);
  t.match(await driver.observe(ref), { state: 'running' });
}

async function checkConsole(t: Test, driver: VmmDriver, ref: VmRef): Promise<void> {
  const console = await driver.openConsole(ref);
  let text = '';
  console.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  console.write('\n\n');
  for (let round = 0; text === '' && round < 200; round += 1) await delay(50);
  t.not(text, '', 'the console answers');
  console.destroy();
  t.ok(existsSync(join(ref.paths.data, 'serial.log')));
}

/** What the guest answers to a command, once it is what is wanted: a guest follows in its own time. */
async function seen(t: Test, agent: AgentSession, command: string, want: RegExp): Promise<void> {
  let output = '';
  for (let round = 0; round < 100 && !want.test(output); round += 1) {
    const result = await agent.exec(['/bin/sh', '-c', `${command} 2>/dev/null`], { timeoutMs: 30_000 });
    output = result.stdout.toString();
    if (!want.test(output)) await delay(100);
  }
  t.match(output, want);
}

async function memoryTotal(agent: AgentSession): Promise<number> {
  return Number(/MemTotal:\s+(\d+)/.exec(await agent.readText('/proc/meminfo'))?.[1]);
}

/** The state of a VM that is about to end. */
async function settled(driver: VmmDriver, ref: VmRef): Promise<VmObservation> {
  for (let round = 0; ; round += 1) {
    const now = await driver.observe(ref);
    if ((now.state !== 'running' && now.state !== 'unresponsive') || round > 600) return now;
    await delay(50);
  }
}

function emptyDisk(folder: string, id: string, mebibytes: number): DiskSpec {
  const path = join(folder, `${id}.raw`);
  writeFileSync(path, '');
  truncateSync(path, mebibytes * mebibyte);
  return { id, path, format: 'raw', readonly: false };
}

function asNobody(argv: readonly string[]): readonly string[] {
  return ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...argv];
}
