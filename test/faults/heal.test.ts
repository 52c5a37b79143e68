// Every file and every process of a sandbox in turn: removed, emptied, replaced, stopped, killed. One apply heals it.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { makeProgramHost, type ProgramHost, until, whyNoProgram } from '../support/program-host.ts';
import { processesOf } from '../support/sandbox-host.ts';

t.setTimeout(600_000);
const options = { skip: whyNoProgram, timeout: 600_000 };

const yaml = `version: 1
name: shop
expires: 1h
images: { base: { kernel: ./vmlinuz, disk: ./root.img } }
networks: { lan: { mode: nat } }
vms:
  a: { image: base, cpus: 1, memory: 256MiB, disks: { root: {} }, networks: { lan: { ports: ["auto:80"] } } }
`;

const roles: Readonly<Record<string, RegExp>> = {
  keeper: /holder\.sh held /,
  watcher: /holder\.sh watch /,
  uplink: /^\S*slirp4netns /,
  VMM: /--api-socket \S*api\.sock/,
};

/** Processes of a part of the sandbox. */
function pidsOf(host: ProgramHost, role: string): readonly number[] {
  const words = roles[role] ?? /^$/;
  return processesOf(host.home).flatMap((process) =>
    words.test(process.words) && (role === 'uplink' || !/slirp4netns/.test(process.words)) ? [process.pid] : [],
  );
}

/** One letter for what a process does, see proc_pid_stat(5); `X` when it is gone. */
function stateOf(pid: number): string {
  try {
    return / ([A-Z]) /i.exec(readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\)/, ''))?.[1] ?? 'X';
  } catch {
    return 'X';
  }
}

async function signalAll(host: ProgramHost, role: string, signal: 'SIGSTOP' | 'SIGKILL'): Promise<void> {
  const pids = pidsOf(host, role);
  if (pids.length === 0) throw new TypeError(`there is no ${role}`);
  for (const pid of pids) process.kill(pid, signal);
  const reached = signal === 'SIGSTOP' ? /[Tt]/ : /[XZ]/;
  await until(`the ${role} has the signal`, () => pids.every((pid) => reached.test(stateOf(pid))));
}

type Harm = 'removed' | 'emptied' | 'garbage' | 'a folder';

function harmFile(path: string, harm: Harm): void {
  if (harm === 'emptied' && existsSync(path) && lstatSync(path).isFile()) {
    truncateSync(path);
    return;
  }
  rmSync(path, { recursive: true, force: true });
  if (harm === 'removed') return;
  if (harm === 'a folder') {
    mkdirSync(join(path, 'inner'), { recursive: true });
    return;
  }
  writeFileSync(path, harm === 'emptied' ? '' : '\u0000garbage\n');
}

/** Files and folders of the sandbox, by the names that this test has for them. */
function placesOf(host: ProgramHost): Readonly<Record<string, string>> {
  const [mark = ''] = readdirSync(join(host.home, 'run'));
  const run = join(host.home, 'run', mark);
  const vm = readdirSync(run).find((name) => /^[0-9a-f]{8}$/.test(name)) ?? '';
  return {
    lease: join(run, 'lease'),
    keep: join(run, 'keep'),
    'uplink.sock': join(run, 'uplink.sock'),
    'rules.json': join(run, 'rules.json'),
    'holder.log': join(host.home, 'data/shop/holder.log'),
    'uplink.log': join(host.home, 'data/shop/uplink.log'),
    'api.sock': join(run, vm, 'api.sock'),
    'run folder of the VM': join(run, vm),
    'run folder': run,
  };
}

/** The sandbox works: what it has to have is there and answers, and nothing is left to be done. */
async function isWell(t: Test, host: ProgramHost, what: string): Promise<void> {
  const applied = await host.sbx('apply', '--auto-approve');
  t.equal(applied.code, 0, `${what}: one apply heals`, { stdout: applied.stdout, stderr: applied.stderr });
  t.strictSame(await host.changes(), [], `${what}: then nothing is to be done`);
  for (const role of Object.keys(roles)) {
    const pids = pidsOf(host, role);
    t.equal(pids.length, 1, `${what}: one ${role}`, { pids });
    t.notMatch(pids.map(stateOf), [/[TtXZ]/], `${what}: and it works`);
  }
  t.match(readFileSync(placesOf(host)['lease'] ?? '', 'latin1'), /^\d{10}\n$/, `${what}: the lease is written`);
}

t.test('every file of a sandbox that is harmed is healed by one apply', options, async (t) => {
  const host = await makeProgramHost(t);
  host.write(yaml);
  await isWell(t, host, 'at first');
  for (const name of Object.keys(placesOf(host))) {
    for (const harm of ['removed', 'emptied', 'garbage', 'a folder'] as const) {
      const path = placesOf(host)[name] ?? '';
      // A socket or a folder that is emptied is none any more, as with garbage.
      if (harm === 'emptied' && existsSync(path) && !lstatSync(path).isFile()) continue;
      harmFile(path, harm);
      // It is read once, by a keeper that starts.
      if (name === 'keep') await signalAll(host, 'keeper', 'SIGKILL');
      await isWell(t, host, `${name} ${harm}`);
    }
  }
  const { code, stderr } = await host.sbx('destroy', '--auto-approve');
  t.equal(code, 0, 'destroy', { stderr });
  t.strictSame(host.leftovers(), []);
});

t.test(
  'every process of a sandbox that is stopped or killed is healed by one apply, and all at once',
  options,
  async (t) => {
    const host = await makeProgramHost(t);
    host.write(yaml);
    await isWell(t, host, 'at first');
    for (const role of Object.keys(roles)) {
      for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
        // The fake VMM answers through another process; one that hangs is the matter of vmm-running.test.ts.
        if (role === 'VMM' && signal === 'SIGSTOP') continue;
        await signalAll(host, role, signal);
        await isWell(t, host, `${role} ${signal}`);
      }
    }
    for (const signal of ['SIGSTOP', 'SIGKILL'] as const) {
      for (const role of Object.keys(roles)) await signalAll(host, role, signal).catch(() => undefined);
      harmFile(placesOf(host)['run folder'] ?? '', signal === 'SIGSTOP' ? 'removed' : 'emptied');
      await isWell(t, host, `all ${signal}, and the run folder gone`);
    }
    for (const role of Object.keys(roles)) await signalAll(host, role, 'SIGSTOP');
    const { code, stderr } = await host.sbx('destroy', '--auto-approve');
    t.equal(code, 0, 'destroy', { stderr });
    t.strictSame(host.leftovers(), []);
  },
);
