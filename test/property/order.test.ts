// Order: a trace of the real sbx shows that the begin record of a step is durable before the step touches the host, and that
// its done record comes after that. What sbx does to the host between two steps is nothing.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startHub } from '../fakes/cloud-hypervisor/install.ts';
import { straceProblem, traced } from '../support/bundled-program.ts';
import { applyOver, type ChainHost, linkTo, makeChainHost } from '../support/chain.ts';
import type { FileModel, VmModel } from '../support/generated-files.ts';
import { program } from '../support/plan-host.ts';
import { cannotOpenSpaces } from '../support/property.ts';
import { processesOf } from '../support/sandbox-host.ts';
import { stepKinds } from '../support/step-kinds.ts';
import { Tally } from '../support/tally.ts';

t.setTimeout(5 * 60_000);
const skip = existsSync(program) ? (straceProblem() ?? cannotOpenSpaces()) : 'needs the built sbx (npm run build)';

const vm: VmModel = {
  ...{ form: 'single', image: 'own', cmdline: null, hostname: null, root: 2, env: {}, ready: true, state: 'running' },
  ...{ cpus: { count: 1, room: 3 }, memory: { size: 128, room: 128 }, scratch: { s0: 1 }, volumes: {}, ignore: [] },
  ...{
    networks: { lan: { address: null, ports: ['P0:80'] } },
    onExit: 'restart',
    dependsOn: {},
    preventDestroy: false,
  },
  ...{ triggers: [] },
};
const file: FileModel = {
  expires: '1h',
  token: 'x',
  networks: { lan: { mode: 'nat', subnet: null } },
  volumes: { v0: { size: 1, protect: false }, v1: { size: 1, protect: false } },
  vms: { a: vm, b: { ...vm, networks: { lan: { address: null, ports: [] } } }, c: vm },
};
/** Live changes, a restart, a replacement, and removals. */
const changed: FileModel = {
  ...file,
  networks: { lan: { mode: 'isolated', subnet: null } },
  volumes: { v0: { size: 2, protect: false } },
  vms: {
    a: {
      ...vm,
      cpus: { count: 2, room: 2 },
      memory: { size: 256, room: 0 },
      root: 3,
      scratch: { s1: 1 },
      volumes: { d0: { volume: 'v0', readonly: false } },
    },
    b: { ...vm, root: 1, networks: {} },
  },
};

t.test('each step is on disk before it touches the host, and is done only after', { skip }, async (t) => {
  const hub = await startHub(`/tmp/sbxord-${process.pid}.sock`);
  t.teardown(() => hub.stop());
  const host = await makeChainHost(hub);
  t.teardown(host.discard);
  const seen = new Set<string>();
  host.write(linkTo(file, undefined, host).text);
  inOrder(t, 'the first apply', await trace(host, 'apply'), seen);
  await pauseAll(t, host);
  inOrder(t, 'an apply of a repair', await trace(host, 'apply'), seen);
  const link = await applyOver(host, file, undefined, new Tally());
  host.write(linkTo(changed, link, host).text);
  inOrder(t, 'an apply of changes', await trace(host, 'apply'), seen);
  inOrder(t, 'a destroy', await trace(host, 'destroy'), seen);
  t.strictSame(
    stepKinds.filter((op) => !seen.has(op)),
    [],
    `all ${seen.size} kinds of steps were traced`,
  );
});

/** Pauses every VM behind sbx's back. */
async function pauseAll(t: Test, host: ChainHost): Promise<void> {
  const sockets = processesOf(host.home).flatMap(({ words }) => /--api-socket path=(\S+)/.exec(words)?.[1] ?? []);
  t.ok(sockets.length > 0);
  for (const socketPath of sockets) {
    const paused = await new Promise((resolve, reject) => {
      const asked = request({ socketPath, method: 'PUT', path: '/api/v1/vm.pause' });
      asked.on('response', (response) => resolve(response.resume().statusCode));
      asked.on('error', reject).end();
    });
    t.equal(paused, 204);
  }
}

/** What a process did, in order. */
type Happening =
  | { readonly type: 'record'; readonly record: string; readonly step: string; readonly op: string }
  | { readonly type: 'synced' }
  | { readonly type: 'touched'; readonly how: string };

/** Every change of the host lies between the synced begin and the done of a step; every begin is synced before anything else. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a reader of a log, state by state
function inOrder(t: Test, name: string, happenings: readonly Happening[], seen: Set<string>): void {
  const problems: string[] = [];
  let current: { readonly step: string; durable: boolean; touches: number } | undefined;
  let inside = false;
  for (const happening of happenings) {
    if (happening.type === 'synced' && current !== undefined) current.durable = true;
    if (happening.type === 'touched' && inside) {
      if (current === undefined) problems.push(`${happening.how} between two steps`);
      else if (!current.durable) problems.push(`${happening.how} before the begin of ${current.step} is durable`);
      else current.touches += 1;
    }
    if (happening.type !== 'record') continue;
    const { record, step, op } = happening;
    if (record === 'begin') {
      if (current !== undefined) problems.push(`${step} begins before ${current.step} is done`);
      [current, inside] = [{ step, durable: false, touches: 0 }, true];
      seen.add(op);
    } else if (record === 'done') {
      if (current?.step !== step) problems.push(`${step} is done without having begun`);
      else if (!current.durable) problems.push(`${step} is done, and its begin was never made durable`);
      else if (current.touches === 0 && touching.test(step)) problems.push(`${step} did nothing`);
      current = undefined;
    } else if (record === 'close') inside = false;
  }
  t.ok(seen.size > 0, `${name} was traced`);
  t.strictSame(problems, [], name);
}

/** Steps that cannot be done without a trace on the host; opening a sandbox that is open only looks. */
const touching =
  /\/(vm\.(start|stop|resume|seed|cpus|memory|disk-(attach|detach|grow|create))|volume\.create|sandbox\.(lease|rules|close))/;

/** Runs sbx under strace until its main process has ended; what it started lives on. */
async function trace(host: ChainHost, mode: 'apply' | 'destroy'): Promise<readonly Happening[]> {
  const folder = mkdtempSync('/tmp/sbxtrace-');
  const log = join(folder, 'log');
  const words = [mode, '--auto-approve', '--parallelism', '1', '--home', host.home, '--var', 'token=x'];
  const argv = traced([process.execPath, program, ...words, '--vmm', 'cloud-hypervisor'], log, [
    'trace=write,pwrite64,fdatasync,clone,clone3,vfork,fork,connect,openat,mkdir,rename,unlink,rmdir,ftruncate,truncate,kill',
    'signal=none',
  ]);
  const env = { ...host.env, UV_THREADPOOL_SIZE: '1' };
  // Without -I 1 strace would not end before the last program that sbx started.
  const child = spawn(argv[0] ?? '', ['-I', '1', ...argv.slice(1)], { cwd: host.folder, env, stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('close', resolve));
  try {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await delay(50)) {
      const text = existsSync(log) ? readFileSync(log, 'utf8') : '';
      const main = /^(\d+)/.exec(text)?.[1];
      // strace reaps its child; what the child started lives on.
      if (main === undefined || existsSync(`/proc/${main}`)) continue;
      return happeningsOf(text, main ?? '');
    }
    throw new TypeError(`sbx ${mode} did not end under strace`);
  } finally {
    // Lets go of what sbx started.
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Reads the log: only the process itself and its threads count, and each start of a program. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: a reader of a log, state by state
function happeningsOf(text: string, main: string): readonly Happening[] {
  const threads = new Set([main]);
  const open = new Map<string, string>();
  const happenings: Happening[] = [];
  for (const line of text.split('\n')) {
    const [, pid = '', rest = ''] = /^(\d+) +(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. (\w+) resumed>(.*)$/.exec(rest);
    const call = resumed === null ? rest : `${open.get(pid) ?? ''}${resumed[2]}`;
    const unfinished = rest.endsWith('<unfinished ...>');
    if (unfinished) open.set(pid, rest.replace('<unfinished ...>', ''));
    if (call.includes('CLONE_THREAD') && !unfinished) {
      const made = /= (\d+)$/.exec(call)?.[1];
      if (made !== undefined && threads.has(pid)) threads.add(made);
      continue;
    }
    if (!threads.has(pid)) continue;
    if (call.startsWith('fdatasync(')) {
      if (!unfinished && call.endsWith('= 0')) happenings.push({ type: 'synced' });
    } else if (resumed === null) happenings.push(...happeningOf(call));
  }
  return happenings;
}

/** One call as it begins; nothing for those that only read. */
function happeningOf(call: string): readonly Happening[] {
  if (/^write\(\d+, "\{\\"type\\":/.test(call)) {
    const records = call.replaceAll('\\"', '"').split('\\n');
    return records.flatMap((text): Happening[] => {
      const [, record] = /\{"type":"(begin|done|failed|close)"/.exec(text) ?? [];
      if (record === undefined) return [];
      const [, step = ''] = /"step":"((?:[^"\\]|\\.)*)"/.exec(text) ?? [];
      return [{ type: 'record', record, step, op: step.replace(/^.*\/([a-z.-]+).*$/, '$1') }];
    });
  }
  const writes = /^openat\(.*O_(CREAT|TRUNC|WRONLY|RDWR)/.test(call) && !/"\/(dev|proc)\//.test(call);
  const touches = /^(clone|clone3|vfork|fork|mkdir|rename|unlink|rmdir|truncate|ftruncate)\(/.test(call);
  const asks = /^connect\(.*sun_path=/.test(call) || /^kill\(\d+, SIG/.test(call);
  return writes || touches || asks ? [{ type: 'touched', how: call.slice(0, 120) }] : [];
}
