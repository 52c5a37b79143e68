// hello on a real guest: from `sbx apply` to ready, beside the bare QEMU command that sbx itself used, to the first answer
// of the guest's agent. Without KVM both are emulated.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BenchFailure, measure, median } from '../measure.ts';
import { type StageContext, type StageResult, sbxCommand, sbxEnvironment } from '../stage.ts';

const runs = 3;
const limitMs = 120_000;

/** Time from start to ready, and to the agent's answer. */
export async function hello(context: StageContext): Promise<StageResult> {
  const home = join(context.scratch, 'hello');
  const file = join(context.package, 'examples/hello/sbx.yaml');
  const env = sbxEnvironment(home);
  const sbx = (...args: string[]) => measure(sbxCommand(context, args, { cwd: context.package, env }), context.scratch);
  context.say('hello: building the tiny image');
  sbx('image', 'build', 'tiny');
  const own: number[] = [];
  const bare: number[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      context.say(`hello: run ${run + 1} of ${runs}`);
      own.push(sbx('apply', '-f', file, '--vmm', 'qemu', '--auto-approve').wallMs);
      const vm = findQemu(home);
      sbx('stop', '-f', file, 'hello', '--vmm', 'qemu');
      for (const disk of overlaysOf(vm.argv)) makeEmpty(disk);
      bare.push(await runBare(vm));
      sbx('destroy', '-f', file, '--auto-approve');
    }
  } finally {
    sbx('destroy', '-f', file, '--auto-approve');
  }
  const floor = { name: 'bare QEMU to agent', value: median(bare) };
  return {
    rows: [{ stage: 'hello', name: 'sbx apply hello, to ready', unit: 'ms', value: median(own), floor, target: 1.5 }],
    missing: [],
  };
}

interface RunningQemu {
  readonly argv: readonly string[];
  /** A process that stays in the VM's network namespace when the VM stops */
  readonly neighbour: number;
  readonly agentSocket: string;
}

/** The QEMU that sbx started in this home, as it was started. */
function findQemu(home: string): RunningQemu {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  for (const pid of pids) {
    const argv = read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
    if (!/qemu-system/.test(argv[0] ?? '') || !argv.some((word) => word.includes(`${home}/`))) continue;
    const space = namespaceOf(pid);
    const neighbour = pids.find((other) => other !== pid && namespaceOf(other) === space);
    const agentSocket = argv
      .map((word) => word.match(/^socket,id=ga,path=([^,]+),/)?.[1])
      .find((path) => path !== undefined);
    if (neighbour === undefined || agentSocket === undefined) break;
    return { argv, neighbour: Number(neighbour), agentSocket };
  }
  throw new BenchFailure('the QEMU of hello, its namespace or its agent was not found');
}

/** Writable qcow2 disks of a QEMU command line. */
function overlaysOf(argv: readonly string[]): readonly string[] {
  return argv.flatMap((word, index) => {
    if (argv[index - 1] !== '-blockdev') return [];
    const node = JSON.parse(word) as { driver: string; 'read-only'?: boolean; file: { filename: string } };
    return node.driver === 'qcow2' && node['read-only'] !== true ? [node.file.filename] : [];
  });
}

/** Takes what the first boot wrote from an overlay, so that the bare QEMU has a first boot, too. */
function makeEmpty(disk: string): void {
  const info = JSON.parse(qemuImg(['info', '--output=json', disk])) as Record<string, string>;
  const base = info['full-backing-filename'];
  if (base === undefined) return;
  qemuImg([
    'create',
    '-q',
    '-f',
    'qcow2',
    '-F',
    info['backing-filename-format'] ?? 'raw',
    '-b',
    base,
    disk,
    String(info['virtual-size']),
  ]);
}

function qemuImg(args: readonly string[]): string {
  const run = spawnSync('qemu-img', args, { encoding: 'utf8' });
  if (run.status !== 0) throw new BenchFailure(`qemu-img ${args.join(' ')}: ${run.stderr}`);
  return run.stdout;
}

async function runBare({ argv, neighbour, agentSocket }: RunningQemu): Promise<number> {
  const rootless = process.getuid?.() === 0 ? [] : ['--user', '--preserve-credentials'];
  const started = performance.now();
  const vm = spawn('nsenter', ['--target', String(neighbour), '--net', ...rootless, ...argv], { stdio: 'ignore' });
  try {
    while (!(await agentAnswers(agentSocket))) {
      if (vm.exitCode !== null) throw new BenchFailure(`the bare QEMU ended with ${vm.exitCode}`);
      if (performance.now() - started > limitMs) throw new BenchFailure('the bare QEMU never answered');
      await delay(20);
    }
    return performance.now() - started;
  } finally {
    await end(vm);
  }
}

/** Whether the agent answers; waits for it as long as the connection lasts, asking again each tenth of a second. */
function agentAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const ask = setInterval(() => socket.write('{"execute":"guest-ping"}\n'), 100);
    const finish = (answered: boolean) => {
      clearInterval(ask);
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(limitMs, () => finish(false));
    socket.on('connect', () => socket.write('{"execute":"guest-ping"}\n'));
    socket.on('data', () => finish(true));
    socket.on('error', () => finish(false));
    socket.on('close', () => finish(false));
  });
}

function end(vm: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (vm.exitCode !== null) return resolve();
    vm.on('exit', () => resolve());
    vm.kill('SIGKILL');
  });
}

function namespaceOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    // Ended, or somebody else's.
    return pid;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The process ended meanwhile.
    return '';
  }
}
