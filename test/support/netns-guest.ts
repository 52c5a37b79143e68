// Guests without a VMM: a network namespace inside the sandbox's, plugged onto a bridge with a veth pair named like a tap.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ProcessRef } from '../../src/core/state/facts.ts';
import { run, tryRun } from '../../src/host/exec.ts';
import { endProcess, refOf } from '../../src/host/processes.ts';
import { programPath } from '../../src/host/programs.ts';
import { enterArgv, netnsOf, type SpaceRef } from '../../src/host/space-ref.ts';

const support = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Guest {
  readonly process: ProcessRef;
  readonly ip: string;
  /** Starts a server that answers with the guest's name; resolves when it listens */
  serve(protocol: 'tcp' | 'udp', port: number): Promise<void>;
  /** What a server answers, or why there is no answer */
  probe(protocol: 'tcp' | 'udp', address: string, port: number): Promise<string>;
  /** Whether a ping is answered within 1 s; with a source address of its own when given */
  ping(address: string, from?: string): Promise<boolean>;
  run(argv: readonly string[]): Promise<string>;
  end(): Promise<void>;
}

export interface GuestSpec {
  readonly name: string;
  readonly bridge: string;
  /** Interface name of its host end */
  readonly ifname: string;
  readonly ip: string;
  readonly gateway: string;
}

/** Makes a guest on a bridge of the space, and everything that it starts ends with `end`. */
export async function plugGuest(space: SpaceRef, spec: GuestSpec): Promise<Guest> {
  const ip = programPath('ip');
  const enter = enterArgv(space);
  const keeper = await startInside(enter([programPath('unshare'), '-n', '--', 'sleep', '600']), space);
  const inside = enterArgv({ keeper, userns: space.userns });
  const host = `link add ${spec.ifname} type veth peer name eth0 netns ${keeper.pid}\nlink set ${spec.ifname} master ${spec.bridge} up\n`;
  await run(enter([ip, '-batch', '-']), { input: host });
  const guest = `link set lo up\naddr add ${spec.ip}/24 dev eth0\nlink set eth0 up\nroute add default via ${spec.gateway}\n`;
  await run(inside([ip, '-batch', '-']), { input: guest });
  const servers: ProcessRef[] = [];
  return {
    process: keeper,
    ip: spec.ip,
    async serve(protocol, port) {
      servers.push(await startServer(inside, protocol, spec.ip, port, spec.name));
    },
    probe: (protocol, address, port) => probeWith(inside, protocol, address, port),
    async ping(address, from = spec.ip) {
      return (await tryRun(inside(['busybox', 'ping', '-c', '1', '-W', '1', '-I', from, address]))).code === 0;
    },
    run: (argv) => run(inside(argv)),
    async end() {
      for (const ref of [...servers, keeper]) await endProcess(ref);
    },
  };
}

/** The same probe from wherever `enter` leads; the test's own place without it. */
export async function probeWith(
  enter: (argv: readonly string[]) => readonly string[],
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
): Promise<string> {
  const argv = [process.execPath, support('probe.mjs'), protocol, address, String(port)];
  return (await tryRun(enter(argv), { env: cleanEnv(), timeoutMs: 10_000 })).stdout;
}

/** Starts the echo server wherever `enter` leads; resolves when it listens. */
export async function startServer(
  enter: (argv: readonly string[]) => readonly string[],
  protocol: 'tcp' | 'udp',
  address: string,
  port: number,
  name: string,
): Promise<ProcessRef> {
  const [program = '', ...args] = enter([
    process.execPath,
    support('echo-server.mjs'),
    protocol,
    address,
    String(port),
    name,
  ]);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: cleanEnv() });
  await once(child.stdout, 'data');
  return refOf(child.pid ?? 0) ?? Promise.reject(new Error(`the server ${name} has ended`));
}

/** tap's NODE_OPTIONS would load its loader into every helper process. */
function cleanEnv(): Record<string, string | undefined> {
  return { PATH: process.env['PATH'] };
}

async function startInside(argv: readonly string[], space: SpaceRef): Promise<ProcessRef> {
  const [program = '', ...args] = argv;
  const child = spawn(program, args, { stdio: 'ignore' });
  await once(child, 'spawn');
  const pid = child.pid ?? 0;
  const outer = [netnsOf(process.pid), netnsOf(space.keeper.pid)];
  const deadline = Date.now() + 5000;
  while (outer.includes(netnsOf(pid))) {
    if (Date.now() > deadline) throw new Error('the guest does not start');
    await delay(5);
  }
  return refOf(pid) ?? Promise.reject(new Error('the guest has ended'));
}
