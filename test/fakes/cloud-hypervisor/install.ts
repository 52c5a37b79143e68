// Puts the fake on a PATH of its own: a folder with the executable, its settings, and a hub that is started up front.
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statSync } from 'node:fs';
import { appendFile, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { connect, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

/** Settings of the fake by name without `FAKE_CH_`: see README.md. */
export type FakeSettings = Readonly<Record<string, string>>;

export interface InstalledFake {
  /** Folder to put on PATH */
  readonly folder: string;
  /** The executable */
  readonly path: string;
  /** Adds or replaces settings for VMMs that are started from now on */
  set(settings: FakeSettings): Promise<void>;
  /** Calls that the VMMs got, in order */
  calls(): Promise<readonly FakeCall[]>;
  /** Ends the hub, unless it is shared, and with it every VMM */
  stop(): Promise<void>;
}

export interface FakeCall {
  readonly pid: number;
  readonly socket: string;
  readonly method: string;
  readonly action: string;
  readonly body?: string;
  readonly status: number;
}

/** A running hub: its socket, and the function that ends it with every VMM that it plays. */
export interface FakeHub {
  readonly socketPath: string;
  readonly stop: () => Promise<void>;
}

/**
 * Installs the fake into `folder` (short: a hub of its own has a socket there). Without a hub one is started, and `stop` ends
 * it; a hub that is given is shared and stays.
 */
export async function installFake(
  folder: string,
  settings: FakeSettings = {},
  shared?: FakeHub,
): Promise<InstalledFake> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'cloud-hypervisor');
  const log = join(folder, 'calls.jsonl');
  await symlink(join(here, 'cloud-hypervisor'), path);
  const set = (given: FakeSettings): Promise<void> =>
    appendFile(
      join(folder, 'fake.conf'),
      Object.entries(given)
        .map(([name, value]) => `FAKE_CH_${name}=${value}\n`)
        .join(''),
    );
  const hub = shared ?? (await startHub(join(folder, 'hub.sock')));
  await set({ LOG: log, NODE: process.execPath, HUB: hub.socketPath, ...settings });
  return {
    folder,
    path,
    set,
    calls: async () => {
      const text = existsSync(log) ? await readFile(log, 'utf8') : '';
      return text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as FakeCall);
    },
    stop: shared === undefined ? hub.stop : () => Promise.resolve(),
  };
}

/** A fault on the API of one VM: which action, what happens, how often and after how many. */
export interface Fault {
  readonly on: string;
  readonly do:
    | 'hang'
    | 'slow'
    | 'error'
    | 'reset'
    | 'half'
    | 'half-hang'
    | 'garbage'
    | 'huge'
    | 'lost'
    | 'crash'
    | 'sigsys';
  readonly times?: number;
  readonly after?: number;
  readonly ms?: number;
  readonly status?: number;
  readonly causes?: readonly string[];
}

/** Makes the VMM behind an API socket misbehave; an empty list makes it behave again. */
export async function setFaults(apiSocket: string, faults: readonly Fault[]): Promise<void> {
  const path = `${apiSocket}.faults`;
  await writeFile(`${path}.new`, JSON.stringify(faults));
  await rename(`${path}.new`, path);
}

/** Starts a hub outside of whatever namespaces its VMMs will be in; it ends with this process at the latest. */
export async function startHub(socketPath: string): Promise<FakeHub> {
  const log = openSync(`${socketPath}.log`, 'a');
  const { NODE_OPTIONS: _dropped, ...env } = process.env;
  const hub = spawn(process.execPath, [join(here, 'hub.mjs'), socketPath], {
    stdio: ['pipe', log, log],
    // Ends with us, however we end: the pipe tells it.
    env: { ...env, FAKE_CH_HUB_OWNED: '1' },
  });
  closeSync(log);
  const ended = new Promise<void>((resolve) => hub.once('exit', () => resolve()));
  hub.unref();
  if (hub.stdin instanceof Socket) hub.stdin.unref();
  for (const deadline = Date.now() + 10_000; !(await answers(socketPath)); await delay(10)) {
    if (Date.now() > deadline) throw new Error(`the hub of the fake did not start: see ${socketPath}.log`);
  }
  const stop = async (): Promise<void> => {
    hub.ref();
    hub.kill('SIGTERM');
    await ended;
    // What it had to say is kept.
    const said = existsSync(`${socketPath}.log`) && statSync(`${socketPath}.log`).size > 0;
    for (const path of [socketPath, `${socketPath}.lock`, ...(said ? [] : [`${socketPath}.log`])])
      rmSync(path, { force: true });
  };
  return { socketPath, stop };
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
