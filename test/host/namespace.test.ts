import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { bridgeMac, bridgeName, tapName } from '../../src/core/link-names.ts';
import type { ProcessRef, SandboxFacts } from '../../src/core/state/facts.ts';
import { commandLineOf, isAlive, signalProcess, spawnDetached, waitForEnd } from '../../src/host/processes.ts';
import {
  applyRules,
  closeSpace,
  ensureBridge,
  ensureTaps,
  enterArgv,
  namespaceSupport,
  type OpenSpaceOptions,
  observeSpace,
  openSpace,
  openWatcher,
  type SpaceRef,
  startUplink,
  writeLease,
} from '../../src/host/space.ts';
import { netnsOf } from '../../src/host/space-ref.ts';
import { attrsOf, commandLinesOf, openedSpace, processesIn, spaceOptions } from '../support/test-space.ts';
import { insideWorld, inWorlds } from '../support/worlds.ts';

const bridge = {
  ifname: bridgeName('lan'),
  address: '10.68.0.1',
  prefix: 24,
  mac: bridgeMac('lan'),
};

if (insideWorld) await namespaceTests();
else await inWorlds(t, import.meta.url);

async function namespaceTests(): Promise<void> {
  await t.test('this host can have namespaces', async (t) => {
    t.same(await namespaceSupport(), { ok: true });
  });

  await t.test('opening makes a keeper and a watcher, known by home and instance', async (t) => {
    const { options, facts } = await openedSpace(t);
    t.ok(isAlive(facts.keeper) && isAlive(facts.holder));
    t.equal(facts.userns, process.geteuid?.() !== 0);
    t.match(commandLinesOf(options.home), [/ held .* shop /, / watch .* shop /]);
    t.match(await observeSpace(facts, { runDir: options.runDir, rules: 'read' }), {
      namespace: 'present',
      holder: 'present',
      uplink: 'absent',
      rules: 'absent',
      links: {},
    });
  });

  await t.test('both processes and the pause between looks weigh less than 2 MiB', async (t) => {
    const { facts } = await openedSpace(t);
    // A look at the lease and the logs takes some milliseconds in 30 s.
    await until(() => childrenOf(facts.holder).some((pid) => commandLineOf(pid)[0] === 'sleep'));
    const pids = [facts.keeper, facts.holder].flatMap((ref) =>
      ref === undefined ? [] : [ref.pid, ...childrenOf(ref)],
    );
    const pss = pids.map((pid) => memoryOf(pid, 'Pss')).reduce((a, b) => a + b, 0);
    t.ok(pids.length >= 2 && pss > 0);
    t.ok(pss < 2048, `${pss} KiB PSS in ${pids.length} processes`);
    t.comment(`PSS ${pss} KiB, RSS ${pids.map((pid) => memoryOf(pid, 'Rss')).join(' + ')} KiB`);
  });

  await t.test('opening again changes nothing', async (t) => {
    const { options, facts } = await openedSpace(t);
    t.same(await openSpace({ ...options, facts }), facts);
  });

  await t.test('opening finds what a run started that did not live to record it', async (t) => {
    const { options, facts } = await openedSpace(t);
    t.same(await openSpace({ ...options, facts: {} }), facts);
  });

  await t.test('a watcher that was killed is seen and comes back beside the same keeper', async (t) => {
    const { options, facts } = await openedSpace(t);
    await kill(facts.holder);
    t.match(await observeSpace(facts, { runDir: options.runDir, rules: 'skip' }), {
      namespace: 'present',
      holder: 'absent',
    });
    const again = await openSpace({ ...options, facts });
    t.same(again.keeper, facts.keeper);
    t.equal(again.netns, facts.netns);
    t.ok(isAlive(again.holder));
  });

  await t.test('a watcher with another command is replaced', async (t) => {
    const { options, facts } = await openedSpace(t);
    const again = await openSpace({ ...options, facts, expireArgv: ['/bin/true', 'moved'] });
    t.notSame(again.holder, facts.holder);
    t.notOk(isAlive(facts.holder));
  });

  await t.test('a namespace whose keeper was killed is kept by what lives in it', async (t) => {
    const { options, facts, space } = await openedSpace(t);
    const vmm = await startVmm(t, space);
    await kill(facts.keeper);
    const seen = await observeSpace(facts, { runDir: options.runDir, rules: 'skip', through: [vmm] });
    t.match(seen, { namespace: 'present', holder: 'absent', links: { [bridge.ifname]: { kind: 'bridge' } } });
    const again = await openSpace({ ...options, facts, through: [vmm] });
    t.equal(again.netns, facts.netns);
    t.notSame(again.keeper, facts.keeper);
    t.match(await observeSpace(again, { runDir: options.runDir, rules: 'skip' }), {
      holder: 'present',
      links: { [bridge.ifname]: { kind: 'bridge', up: true } },
    });
  });

  await t.test('while its keeper ends, a namespace is never seen without what it has', async (t) => {
    const { options, facts: first, space } = await openedSpace(t);
    const through = [await startVmm(t, space)];
    const kept = new Set([first.netns]);
    let facts = first;
    for (let round = 0; round < 25; round++) {
      if (facts.keeper !== undefined) signalProcess(facts.keeper, 'SIGKILL');
      let holder = 'present';
      while (holder === 'present') {
        const seen = await observeSpace(facts, { runDir: options.runDir, rules: 'skip', through });
        holder = seen.holder;
        if (seen.namespace !== 'present' || seen.links[bridge.ifname] === undefined)
          throw new TypeError(`round ${round} saw ${JSON.stringify(seen)}`);
      }
      facts = await openSpace({ ...options, facts, through });
      kept.add(facts.netns);
    }
    t.strictSame([...kept], [first.netns], 'and it is the same one all the time');
  });

  await t.test('links that cannot be read are an error, never no links', async (t) => {
    const { options, facts, space } = await openedSpace(t);
    // Only a keeper has a sysfs to be read as files: through anything else `ip` is asked.
    const through = [await startVmm(t, space)];
    await kill(facts.keeper);
    writeFileSync(join(options.home, 'ip'), '#!/bin/sh\necho "no memory left" >&2\nexit 1\n', { mode: 0o755 });
    const path = process.env['PATH'];
    process.env['PATH'] = `${options.home}:${path}`;
    const seen = observeSpace(facts, { runDir: options.runDir, rules: 'skip', through });
    await t.rejects(seen, { code: 'SBX6001', message: /no memory left/ });
    process.env['PATH'] = path;
  });

  await t.test('a namespace that is gone is made anew, and its uplink is ended', async (t) => {
    const { options, facts, space } = await openedSpace(t);
    const uplink = await startUplink(space, { runDir: options.runDir, logPath: join(options.home, 'uplink.log') });
    await kill(facts.keeper);
    t.equal((await observeSpace(facts, { runDir: options.runDir, rules: 'read' })).namespace, 'absent');
    const again = await openSpace({ ...options, facts: { ...facts, uplink } });
    t.ok(isAlive(again.keeper));
    t.equal(again.uplink, undefined);
    t.notOk(isAlive(uplink));
  });

  await t.test('a holder that cannot start is an error that says why', async (t) => {
    const options = spaceOptions(t);
    const broken = join(options.home, 'broken.sh');
    writeFileSync(broken, 'echo "no such thing" >&2; exit 7\n');
    await t.rejects(openSpace({ ...options, holderScript: broken }), {
      code: 'SBX6003',
      message: /ended with 7: no such thing/,
    });
    t.same(commandLinesOf(options.home), []);
  });

  await t.test('nothing is left after closing', async (t) => {
    const { options, facts, space } = await openedSpace(t);
    await ensureBridge(space, bridge);
    await ensureTaps(space, [{ ifname: tapName('vm.a', 'lan'), bridge: bridge.ifname, ownerUid: 0 }]);
    const uplink = await startUplink(space, { runDir: options.runDir, logPath: join(options.home, 'uplink.log') });
    await applyRules(space, attrsOf({ lan: { mode: 'nat', subnet: '10.68.0.0/24' } }), options.runDir);
    await writeLease(options.runDir, Date.now() + 3_600_000, facts.holder);
    t.not(processesIn(facts.netns).length, 0);
    await closeSpace({ ...options, facts: { ...facts, uplink } });
    t.same(commandLinesOf(options.home), []);
    t.same(processesIn(facts.netns), []);
    t.same(readdirSync(options.runDir), []);
    await t.resolves(closeSpace({ ...options, facts }), 'and closing again is no error');
  });

  await t.test('closing ends what only /proc knows', async (t) => {
    const { options, space } = await openedSpace(t);
    await startUplink(space, { runDir: options.runDir, logPath: join(options.home, 'uplink.log') });
    await closeSpace({ ...options, facts: {} });
    t.same(commandLinesOf(options.home), []);
  });

  await leaseTests();
}

async function leaseTests(): Promise<void> {
  await t.test('a lease is watched without a namespace too', async (t) => {
    const options = spaceOptions(t);
    const facts = await openWatcher(options);
    t.same(await openWatcher({ ...options, facts }), facts);
    t.match(await observeSpace(facts, { runDir: options.runDir, rules: 'read' }), {
      namespace: 'absent',
      holder: 'present',
    });
    await kill(facts.holder);
    t.equal((await observeSpace(facts, { runDir: options.runDir, rules: 'skip' })).holder, 'absent');
  });

  await t.test('when the lease runs out the command starts', async (t) => {
    const marker = markerFile(t);
    const { options, facts } = await openedSpace(t, ['/bin/sh', '-c', 'echo "$@" >"$0"', marker, 'a b', '$HOME']);
    await writeLease(options.runDir, Date.now() + 3_600_000, facts.holder);
    await delay(200);
    t.equal(read(marker), undefined, 'not before');
    await writeLease(options.runDir, Date.now() + 1000, facts.holder);
    await until(() => read(marker) !== undefined);
    t.equal(read(marker), 'a b $HOME\n', 'its words reach it as they are');
  });

  await t.test('a lease that is renewed in time is not acted on, and ends when the new one does', async (t) => {
    const { options, facts, marker, setClock, look } = await openedWithClock(t);
    await writeLease(options.runDir, 2_000_000, facts.holder);
    await look();
    await writeLease(options.runDir, 3_000_000, facts.holder);
    await look();
    setClock(2500);
    await look();
    t.equal(read(marker), undefined);
    t.ok(isAlive(facts.holder));
    setClock(3000);
    await look();
    await until(() => read(marker) !== undefined);
  });

  await t.test('a command that fails is tried again', async (t) => {
    const marker = markerFile(t);
    const { options, facts } = await openedSpace(t, ['/bin/sh', '-c', 'echo x >>"$0"; exit 3', marker]);
    await writeLease(options.runDir, Date.now() - 5000, facts.holder);
    await until(() => read(marker) === 'x\nx\n');
    t.match(readFileSync(options.logPath, 'utf8'), /the lease has run out: .*\n.*the command ended with 3\n/);
  });

  await t.test('a wall clock that jumps ahead ends the lease', async (t) => {
    const { options, facts, marker, setClock, look } = await openedWithClock(t);
    await writeLease(options.runDir, 2_000_000, facts.holder);
    await look();
    t.equal(read(marker), undefined);
    setClock(2001);
    await look();
    await until(() => read(marker) !== undefined);
    t.pass('it looked at the clock again');
  });

  await t.test('a clock that does not answer ends no lease, and no watcher', async (t) => {
    const { options, facts, marker, setClock, look } = await openedWithClock(t);
    await writeLease(options.runDir, 2_000_000, facts.holder);
    for (const answer of ['', 'no idea', '-1']) {
      setClock(answer);
      await look();
      t.ok(isAlive(facts.holder), `after ${JSON.stringify(answer)}`);
      t.equal(read(marker), undefined);
    }
    setClock(2001);
    await look();
    await until(() => read(marker) !== undefined);
  });

  await t.test('a command that closes the sandbox, the watcher included, ends by itself', async (t) => {
    const script = fileURLToPath(new URL('../support/close-space.ts', import.meta.url));
    const loader = fileURLToPath(import.meta.resolve('tsx'));
    const options = spaceOptions(t);
    const words = [options.home, options.instance, options.runDir];
    const done = join(options.home, 'done');
    const facts = await openSpace({
      ...options,
      expireArgv: [process.execPath, '--import', loader, script, ...words, done],
    });
    await writeLease(options.runDir, Date.now() - 1000, facts.holder);
    await until(() => read(done) !== undefined);
    await until(() => commandLinesOf(options.home).length === 0);
    t.same(readdirSync(options.runDir), []);
    t.same(processesIn(facts.netns), []);
  });
}

interface WithClock {
  readonly options: OpenSpaceOptions;
  readonly facts: SandboxFacts;
  /** There when the lease was acted on */
  readonly marker: string;
  /** Sets the clock that the watcher asks, in seconds since the epoch */
  readonly setClock: (seconds: number | string) => void;
  /** Makes the watcher look; resolves when it did, at what is there now */
  readonly look: () => Promise<void>;
}

/** A sandbox whose watcher asks a clock that a test moves; it stands at 1000 s. */
async function openedWithClock(t: Test): Promise<WithClock> {
  const options = spaceOptions(t);
  const [marker, clock, asked] = ['expired', 'clock', 'asked'].map((name) => join(options.home, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(clock, '1000');
  writeFileSync(join(options.home, 'date'), `#!/bin/sh\necho >>${asked}\ncat ${clock}\n`, { mode: 0o755 });
  const path = process.env['PATH'];
  process.env['PATH'] = `${options.home}:${path}`;
  const facts = await openSpace({ ...options, expireArgv: ['/bin/sh', '-c', 'echo >"$0"', marker] });
  process.env['PATH'] = path;
  const looks = (): number => read(asked)?.length ?? 0;
  const look = async (): Promise<void> => {
    // One look may be under way already and have read the lease before.
    for (const enough = looks() + 2; looks() < enough; await delay(20)) process.kill(facts.holder?.pid ?? 0, 'SIGCONT');
  };
  return { options, facts, marker, look, setClock: (seconds) => writeFileSync(clock, String(seconds)) };
}

/** Something that lives in the namespace without being the keeper, as a VMM does. */
async function startVmm(t: Test, space: SpaceRef): Promise<ProcessRef> {
  await ensureBridge(space, bridge);
  const { exited: _, ...vmm } = await spawnDetached(enterArgv(space)(['sleep', '60']), { logPath: '/dev/null' });
  t.teardown(() => kill(vmm));
  await until(() => netnsOf(vmm.pid) === netnsOf(space.keeper.pid));
  return vmm;
}

/** A name for a file that a command makes. */
function markerFile(t: Test): string {
  const folder = mkdtempSync('/tmp/sbxn-marker-');
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'marker');
}

async function kill(ref: ProcessRef | undefined): Promise<void> {
  if (ref === undefined) return;
  signalProcess(ref, 'SIGKILL');
  await waitForEnd(ref, 5000);
}

async function until(condition: () => boolean, withinMs = 60_000): Promise<void> {
  const deadline = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition}`);
    await delay(20);
  }
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function childrenOf(ref: ProcessRef | undefined): readonly number[] {
  if (ref === undefined) return [];
  const text = readFileSync(`/proc/${ref.pid}/task/${ref.pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

/** KiB of a field of smaps_rollup. */
function memoryOf(pid: number, field: 'Pss' | 'Rss'): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? Number.NaN);
}
