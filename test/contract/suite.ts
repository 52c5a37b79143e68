// The contract of drivers: everything src/vmm/driver.ts promises, asked of any driver on a fake or a real VMM.
// Boots are dear under emulation, so that most of it happens to one VM, in the order of its life.
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Test } from 'tap';
import type { VmObservation } from '../../src/core/observed.ts';
import { isAlive } from '../../src/host/processes.ts';
import type { DiskSpec, NicSpec, StartContext, VmmDriver, VmRef, VmSpec } from '../../src/vmm/driver.ts';

const mebibyte = 1024 * 1024;
const sbxError = { name: 'SbxError' };

/** What the suite needs to know of the driver under test. */
export interface ContractSetup {
  readonly driver: VmmDriver;
  /** Short folder (Unix sockets go below it) that lives as long as the suite */
  readonly root: string;
  readonly kernel: string;
  readonly initrd?: string;
  /** Beside the driver's own words */
  readonly cmdline: string;
  /** A NIC that the VMM can have here; none leaves the tests of NICs out */
  readonly nic?: (id: string, mac: string) => NicSpec;
  /** How long a guest may take from start to an answer of its agent, in `ms` */
  readonly bootMs: number;
  /** Whether the VMM offers an interactive console that answers a line with something */
  readonly console: boolean;
  /** Size of the VM at start and its maximum, in `bytes` */
  readonly memory: { readonly sizeBytes: number; readonly maxBytes: number };
  /** Makes the VM's socket stop to answer */
  readonly mute?: (spec: VmSpec, ref: VmRef) => Promise<void>;
  /** Processes that hold a word on their command line */
  readonly leftovers: (word: string) => readonly number[];
}

/** Runs the whole suite as subtests of `t`. */
export async function driverContract(t: Test, setup: ContractSetup): Promise<void> {
  const world = new World(setup);
  await t.test('a VM that was never started', (t) => neverStarted(t, world));
  await t.test('the life of a VM', (t) => wholeLife(t, world));
  await t.test('ends that are not ours', (t) => foreignEnds(t, world));
  await t.test('starts that fail', (t) => failedStarts(t, world));
}

/** VMs of one run: specs in folders of their own, and the context to start them in. */
class World {
  readonly setup: ContractSetup;
  readonly driver: VmmDriver;
  private count = 0;

  constructor(setup: ContractSetup) {
    this.setup = setup;
    this.driver = setup.driver;
  }

  async spec(options: { readonly disks?: number; readonly nics?: number } = {}): Promise<VmSpec> {
    this.count += 1;
    const name = `v${this.count}`;
    const folder = `${this.setup.root}/${name}`;
    const paths = { run: `${folder}/r`, data: `${folder}/d` };
    await mkdir(paths.run, { recursive: true, mode: 0o700 });
    await mkdir(paths.data, { mode: 0o700 });
    const disks = await Promise.all(
      Array.from({ length: options.disks ?? 0 }, (_, at) => this.disk({ paths }, `disk${at}`)),
    );
    const nics = Array.from({ length: options.nics ?? 0 }, (_, at) => this.nic(`net${at}`, at));
    const { kernel, initrd, cmdline, memory } = this.setup;
    return {
      name: `contract-${name}`,
      uuid: `00000000-0000-4000-8000-${String(this.count).padStart(12, '0')}`,
      paths,
      kernel,
      ...(initrd === undefined ? {} : { initrd }),
      cmdline: `${this.driver.consoleCmdline} ${cmdline}`.trim(),
      cpus: { count: 1, max: 2 },
      memory,
      disks,
      nics: nics.flatMap((nic) => nic ?? []),
    };
  }

  async disk(of: Pick<VmSpec, 'paths'>, id: string): Promise<DiskSpec> {
    const path = `${of.paths.data}/${id}.raw`;
    await writeFile(path, Buffer.alloc(2 * mebibyte), { mode: 0o600 });
    return { id, path, format: 'raw', readonly: false };
  }

  nic(id: string, number: number): NicSpec | undefined {
    return this.setup.nic?.(id, `02:00:00:00:${this.count.toString(16).padStart(2, '0')}:0${number}`);
  }

  context(signal = new AbortController().signal): StartContext {
    return { enter: (argv) => argv, signal };
  }

  async start(t: Test, spec: VmSpec): Promise<VmRef> {
    t.teardown(() => this.driver.stop({ paths: spec.paths }, 0, new AbortController().signal));
    const { process } = await this.driver.start(spec, this.context());
    return { paths: spec.paths, process };
  }

  stop(ref: VmRef, graceMs: number): Promise<void> {
    return this.driver.stop(ref, graceMs, new AbortController().signal);
  }

  /** Observes until the state is one of those wanted, or time is up. */
  async settled(ref: VmRef, states: readonly VmObservation['state'][], limitMs = 60_000): Promise<VmObservation> {
    const deadline = performance.now() + limitMs;
    for (;;) {
      const seen = await this.driver.observe(ref);
      if (states.includes(seen.state) || performance.now() > deadline) return seen;
      await delay(20);
    }
  }

  /** The agent, once it answers; a guest needs its time to boot. */
  async agent(ref: VmRef): Promise<Agent> {
    const deadline = performance.now() + this.setup.bootMs;
    for (;;) {
      let stream: Duplex | undefined;
      try {
        stream = await this.driver.openAgent(ref);
        const agent = new Agent(stream, Math.max(5000, this.setup.bootMs / 4));
        await agent.call('guest-sync', { id: 4711 });
        return agent;
      } catch (error) {
        stream?.destroy();
        if (performance.now() > deadline) throw error;
        await delay(100);
      }
    }
  }
}

/** A few words of the guest agent's protocol: a line out, a line in. */
class Agent {
  private readonly stream: Duplex;
  private readonly limitMs: number;
  private received = '';

  constructor(stream: Duplex, limitMs: number) {
    this.stream = stream;
    this.limitMs = limitMs;
    stream.on('data', (chunk: Buffer) => {
      this.received += chunk.toString('utf8');
    });
    // A guest that powers off breaks the stream; who waits for an answer sees the deadline.
    stream.on('error', () => undefined);
  }

  send(execute: string, given: object = {}): void {
    this.stream.write(`${JSON.stringify({ execute, arguments: given })}\n`);
  }

  async call(execute: string, given: object = {}): Promise<unknown> {
    this.send(execute, given);
    for (const deadline = performance.now() + this.limitMs; !this.received.includes('\n'); await delay(5)) {
      if (performance.now() > deadline || this.stream.destroyed)
        throw new Error(`the agent does not answer ${execute}`);
    }
    const end = this.received.indexOf('\n');
    const reply = JSON.parse(this.received.slice(0, end)) as { return?: unknown };
    this.received = this.received.slice(end + 1);
    return reply.return;
  }

  close(): void {
    this.stream.destroy();
  }
}

async function neverStarted(t: Test, world: World): Promise<void> {
  const spec = await world.spec();
  const ref = { paths: spec.paths };
  t.strictSame(await world.driver.observe(ref), { state: 'absent' }, 'is absent');
  await t.resolves(world.stop(ref, 0), 'can be stopped: it is already');
  await t.rejects(world.driver.openAgent(ref), { code: 'SBX8001' }, 'has no agent');
}

async function wholeLife(t: Test, world: World): Promise<void> {
  const { driver } = world;
  const spec = await world.spec({ disks: 1, nics: 1 });
  const ref = await world.start(t, spec);
  const nics = Object.fromEntries(spec.nics.map((nic) => [nic.id, nic.mac]));
  await t.test('is observed as it was declared', async (t) => {
    const seen = await driver.observe(ref);
    const { disks, ...shape } = seen.state === 'running' ? seen : { disks: {} };
    t.strictSame(shape, {
      state: 'running',
      cpus: 1,
      cpusMax: 2,
      memoryBytes: spec.memory.sizeBytes,
      memoryMaxBytes: spec.memory.maxBytes,
      nics,
    });
    t.strictSame(Object.keys(disks), ['disk0'], 'disks by their names');
    t.strictSame(await driver.observe({ paths: ref.paths }), seen, 'the same without knowing the process');
  });
  await t.test('is not started twice', async (t) => {
    await t.rejects(driver.start(spec, world.context()), sbxError);
    t.equal((await driver.observe(ref)).state, 'running', 'and is not harmed by the attempt');
  });
  await t.test('has an agent', async (t) => {
    const agent = await world.agent(ref);
    t.strictSame(await agent.call('guest-ping'), {}, 'that answers');
    agent.close();
    (await world.agent(ref)).close();
    t.pass('and again on a new stream');
  });
  await t.test('writes its serial console into serial.log', async (t) => {
    const log = `${spec.paths.data}/serial.log`;
    t.ok(await eventually(async () => (await readFile(log, 'latin1')) !== '', world.setup.bootMs));
  });
  await t.test('pauses and resumes, each twice without harm', (t) => pauseAndResume(t, world, ref));
  await t.test('takes and gives vCPUs', (t) => cpus(t, world, ref));
  await t.test('takes and gives memory', (t) => memory(t, world, ref));
  await t.test('takes and gives disks', (t) => disks(t, world, spec, ref));
  await t.test('takes and gives NICs', (t) => nicsComeAndGo(t, world, ref));
  await t.test('grows a disk, and never shrinks it', (t) => growth(t, world, spec, ref));
  await t.test('has a console', (t) => console_(t, world, ref));
  await t.test('powers off when it is asked to', async (t) => {
    await world.stop(ref, world.setup.bootMs);
    await isGone(t, world, spec, ref);
    await t.resolves(world.stop(ref, 1000), 'and stopping it again does nothing');
  });
  await t.test('starts again in the same folders, with a new serial log, and ends the hard way', async (t) => {
    const log = `${spec.paths.data}/serial.log`;
    const before = await readFile(log, 'latin1');
    const again = await world.start(t, spec);
    t.equal(await readFile(`${log}.1`, 'latin1'), before, 'the log of the start before is kept beside');
    t.equal((await driver.observe(again)).state, 'running');
    await world.stop(again, 0);
    await isGone(t, world, spec, again);
  });
}

async function isGone(t: Test, world: World, spec: VmSpec, ref: VmRef): Promise<void> {
  t.strictSame(await world.driver.observe({ paths: ref.paths }), { state: 'absent' }, 'nothing is observed');
  t.strictSame(world.setup.leftovers(spec.paths.run), [], 'no process is left');
  const files = (await readdir(spec.paths.run)).filter((name) => !name.endsWith('.faults'));
  t.strictSame(files, [], 'no file is left among its sockets');
}

async function pauseAndResume(t: Test, world: World, ref: VmRef): Promise<void> {
  const { driver } = world;
  await driver.pause(ref);
  await driver.pause(ref);
  t.equal((await driver.observe(ref)).state, 'paused');
  await driver.resume(ref);
  await driver.resume(ref);
  t.equal((await driver.observe(ref)).state, 'running');
}

async function cpus(t: Test, world: World, ref: VmRef): Promise<void> {
  const { driver } = world;
  const { capabilities } = driver;
  if (capabilities.cpuGrow !== 'live') return skipped(t, 'this driver gives no vCPUs to a running VM');
  await driver.resizeCpus(ref, 2);
  await driver.resizeCpus(ref, 2);
  t.equal(await cpusOf(world, ref), 2, 'two are seen');
  await t.rejects(driver.resizeCpus(ref, 3), sbxError, 'more than the maximum is refused');
  const inGuest = await eventually(async () => {
    const agent = await world.agent(ref);
    const list = await agent.call('guest-get-vcpus');
    agent.close();
    return Array.isArray(list) && list.filter((cpu: { online?: boolean }) => cpu.online === true).length === 2;
  }, world.setup.bootMs);
  t.ok(inGuest, 'the guest has both online');
  if (capabilities.cpuShrink !== 'live') return;
  await driver.resizeCpus(ref, 1);
  t.equal(await cpusOf(world, ref), 1, 'and one again');
}

async function cpusOf(world: World, ref: VmRef): Promise<number | undefined> {
  const seen = await world.driver.observe(ref);
  return seen.state === 'running' ? seen.cpus : undefined;
}

async function memory(t: Test, world: World, ref: VmRef): Promise<void> {
  const { driver, setup } = world;
  const { sizeBytes, maxBytes } = setup.memory;
  if (driver.capabilities.memoryGrow !== 'live') return skipped(t, 'this driver gives no memory to a running VM');
  const more = sizeBytes + 128 * mebibyte;
  await driver.resizeMemory(ref, more);
  await driver.resizeMemory(ref, more);
  t.equal(await memoryOf(world, ref), more, 'grows');
  await t.rejects(driver.resizeMemory(ref, maxBytes + 128 * mebibyte), sbxError, 'not beyond the maximum');
  if (driver.capabilities.memoryShrink !== 'live') return;
  await driver.resizeMemory(ref, sizeBytes);
  t.equal(await memoryOf(world, ref), sizeBytes, 'shrinks to what it was started with');
  await t.rejects(driver.resizeMemory(ref, sizeBytes - 64 * mebibyte), sbxError, 'not below');
}

async function memoryOf(world: World, ref: VmRef): Promise<number | undefined> {
  const seen = await world.driver.observe(ref);
  return seen.state === 'running' ? seen.memoryBytes : undefined;
}

async function disks(t: Test, world: World, spec: VmSpec, ref: VmRef): Promise<void> {
  const { driver } = world;
  if (driver.capabilities.diskAttach !== 'live') return skipped(t, 'this driver adds no disks to a running VM');
  const disk = await world.disk(spec, 'extra');
  await driver.attachDisk(ref, disk);
  await driver.attachDisk(ref, disk);
  t.strictSame(await diskNames(world, ref), ['disk0', 'extra'], 'one more');
  const missing = { ...disk, id: 'missing', path: `${disk.path}.not-there` };
  await t.rejects(driver.attachDisk(ref, missing), sbxError, 'a file that is not there is refused');
  t.strictSame(await diskNames(world, ref), ['disk0', 'extra'], 'and leaves no trace');
  if (driver.capabilities.diskDetach !== 'live') return;
  await driver.detachDisk(ref, 'extra');
  await driver.detachDisk(ref, 'extra');
  t.strictSame(await diskNames(world, ref), ['disk0'], 'and gone again');
  await driver.attachDisk(ref, disk);
  await driver.detachDisk(ref, 'extra');
  t.strictSame(await diskNames(world, ref), ['disk0'], 'its name can be used again');
}

async function diskNames(world: World, ref: VmRef): Promise<readonly string[]> {
  const seen = await world.driver.observe(ref);
  return seen.state === 'running' ? Object.keys(seen.disks).sort() : [seen.state];
}

async function nicsComeAndGo(t: Test, world: World, ref: VmRef): Promise<void> {
  const { driver } = world;
  const nic = world.nic('extra', 9);
  if (nic === undefined || driver.capabilities.nicAttach !== 'live') return skipped(t, 'no NICs to add here');
  const macOf = async (): Promise<string | undefined> => {
    const seen = await driver.observe(ref);
    return seen.state === 'running' ? seen.nics['extra'] : seen.state;
  };
  await driver.attachNic(ref, nic);
  await driver.attachNic(ref, nic);
  t.equal(await macOf(), nic.mac, 'one more, with its MAC address');
  if (driver.capabilities.nicDetach !== 'live') return;
  await driver.detachNic(ref, 'extra');
  await driver.detachNic(ref, 'extra');
  t.equal(await macOf(), undefined, 'and gone again');
}

async function growth(t: Test, world: World, spec: VmSpec, ref: VmRef): Promise<void> {
  const { driver } = world;
  const path = spec.disks[0]?.path ?? '';
  if (driver.capabilities.diskGrow !== 'live') return skipped(t, 'this driver grows no disks of a running VM');
  await driver.growDisk(ref, 'disk0', 4 * mebibyte);
  await driver.growDisk(ref, 'disk0', 4 * mebibyte);
  t.equal((await stat(path)).size, 4 * mebibyte, 'the file has grown');
  await driver.growDisk(ref, 'disk0', 2 * mebibyte).catch(() => undefined);
  t.equal((await stat(path)).size, 4 * mebibyte, 'a smaller size changes nothing');
}

async function console_(t: Test, world: World, ref: VmRef): Promise<void> {
  if (!world.setup.console) return skipped(t, 'no console to talk to here');
  const stream = await world.driver.openConsole(ref);
  t.teardown(() => stream.destroy());
  let heard = '';
  stream.on('data', (chunk: Buffer) => {
    heard += chunk.toString('utf8');
  });
  const answered = await eventually(async () => {
    stream.write('echo sbx-$((40 + 2))\r');
    await delay(300);
    return /sbx-42|fake guest heard/.test(heard);
  }, world.setup.bootMs);
  t.ok(answered, 'that answers what is typed');
}

async function foreignEnds(t: Test, world: World): Promise<void> {
  const { driver } = world;
  await t.test('a guest that powers itself off has exited', async (t) => {
    const spec = await world.spec();
    const ref = await world.start(t, spec);
    const agent = await world.agent(ref);
    agent.send('guest-shutdown', { mode: 'powerdown' });
    t.strictSame(await world.settled(ref, ['exited', 'dead'], world.setup.bootMs), { state: 'exited' });
    agent.close();
    await world.stop(ref, 1000);
    t.strictSame(world.setup.leftovers(spec.paths.run), []);
    t.strictSame(await readdir(spec.paths.run), [], 'stopping it clears what is left');
  });
  await t.test('a VMM that is killed is dead, and its VM starts again', async (t) => {
    const spec = await world.spec();
    const ref = await world.start(t, spec);
    process.kill(ref.process?.pid ?? 0, 'SIGKILL');
    t.equal((await world.settled(ref, ['dead', 'absent', 'exited'])).state, 'dead', 'with its process known');
    t.equal((await driver.observe({ paths: ref.paths })).state, 'dead', 'and without');
    const again = await world.start(t, spec);
    t.equal((await driver.observe(again)).state, 'running', 'what was left does not stop the next start');
    await world.stop(again, 0);
    await isGone(t, world, spec, again);
  });
  await t.test('a VMM whose socket is gone is lost, and is still found and ended', async (t) => {
    const spec = await world.spec();
    const ref = await world.start(t, spec);
    for (const name of await readdir(spec.paths.run)) {
      if (name.endsWith('.sock')) await rm(`${spec.paths.run}/${name}`);
    }
    t.equal((await driver.observe(ref)).state, 'lost', 'with its process known');
    t.equal((await driver.observe({ paths: ref.paths })).state, 'lost', 'and without');
    await world.stop({ paths: ref.paths }, 0);
    t.notOk(isAlive(ref.process), 'the process is ended');
    await isGone(t, world, spec, ref);
  });
  await t.test('a VMM whose whole folder is gone is found and ended by its words', async (t) => {
    const spec = await world.spec();
    const ref = await world.start(t, spec);
    await rm(spec.paths.run, { recursive: true });
    t.equal((await driver.observe(ref)).state, 'lost');
    await world.stop({ paths: ref.paths }, 0);
    t.notOk(isAlive(ref.process), 'the process is ended');
  });
  await t.test('a VM whose process was never recorded is stopped all the same', async (t) => {
    const spec = await world.spec();
    await world.start(t, spec);
    await world.stop({ paths: spec.paths }, 0);
    await isGone(t, world, spec, { paths: spec.paths });
  });
  const { mute } = world.setup;
  if (mute === undefined) return;
  await t.test('a VMM that does not answer is unresponsive, and can be ended', async (t) => {
    const spec = await world.spec();
    const ref = await world.start(t, spec);
    await mute(spec, ref);
    t.equal((await driver.observe(ref)).state, 'unresponsive');
    await world.stop(ref, 500);
    await isGone(t, world, spec, ref);
  });
}

async function failedStarts(t: Test, world: World): Promise<void> {
  const { driver } = world;
  await t.test('a kernel that is not there fails and leaves nothing', async (t) => {
    const spec = { ...(await world.spec({ disks: 1 })), kernel: `${world.setup.root}/no-such-kernel` };
    await t.rejects(driver.start(spec, world.context()), sbxError);
    await isGone(t, world, spec, { paths: spec.paths });
  });
  await t.test('a disk that is not there fails, says so and leaves nothing', async (t) => {
    const spec = await world.spec({ disks: 1 });
    await rm(spec.disks[0]?.path ?? '');
    await t.rejects(driver.start(spec, world.context()), { code: 'SBX5001' });
    await isGone(t, world, spec, { paths: spec.paths });
  });
  await t.test('a start that is interrupted leaves nothing', async (t) => {
    const spec = await world.spec();
    const controller = new AbortController();
    const starting = driver.start(spec, world.context(controller.signal));
    const outcome = starting.then(
      () => 'started',
      () => 'failed',
    );
    controller.abort();
    t.equal(await outcome, 'failed');
    await isGone(t, world, spec, { paths: spec.paths });
  });
  await t.test('a socket path that is too long is refused before anything happens', async (t) => {
    const spec = await world.spec();
    const run = `${spec.paths.run}/${'x'.repeat(100)}`;
    await mkdir(run);
    await t.rejects(driver.start({ ...spec, paths: { ...spec.paths, run } }, world.context()), sbxError);
    t.notOk(existsSync(`${spec.paths.data}/serial.log`), 'no VMM was started');
    t.strictSame(world.setup.leftovers(run), []);
  });
}

async function eventually(condition: () => Promise<boolean>, limitMs: number): Promise<boolean> {
  for (const deadline = performance.now() + limitMs; performance.now() < deadline; await delay(50)) {
    if (await condition()) return true;
  }
  return false;
}

function skipped(t: Test, why: string): void {
  t.pass(`# SKIP ${why}`);
}
