// A VMM process and its raw API, for statements about the wire: nothing of the driver is between.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What the statements need of the world. */
export interface WireWorld {
  readonly binary: string;
  /** Release as text: `51.1` */
  readonly version: string;
  readonly kernel: string;
  readonly initrd: string | undefined;
  readonly cmdline: string;
  /** How long a guest may take to answer, in `ms` */
  readonly guestMs: number;
  /** Names for taps that the VMM may open or make */
  readonly taps: boolean;
}

export interface Reply {
  readonly status: number;
  readonly text: string;
}

/** One VMM process in a folder of its own. */
export class WireVmm {
  readonly world: WireWorld;
  readonly folder: string;
  readonly socket: string;
  exit: number | string | undefined;
  pid = 0;
  stderr = '';

  private constructor(world: WireWorld, folder: string) {
    this.world = world;
    this.folder = folder;
    this.socket = `${folder}/api.sock`;
  }

  /** A folder without a process yet. */
  static async prepare(world: WireWorld): Promise<WireVmm> {
    const folder = await mkdtemp('/tmp/wv-');
    await writeFile(`${folder}/disk`, Buffer.alloc(1024 * 1024));
    return new WireVmm(world, folder);
  }

  /** A process that answers. */
  static async start(world: WireWorld): Promise<WireVmm> {
    const vmm = await WireVmm.prepare(world);
    await vmm.spawn();
    return vmm;
  }

  /** Spawns with the usual command line, or another one, and waits for an answer or the end. */
  async spawn(argv: readonly string[] = this.argv()): Promise<void> {
    this.exit = undefined;
    const child = spawn(this.world.binary, argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.pid = child.pid ?? 0;
    child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString('utf8');
    });
    // Not on 'exit': what it said last is to be there.
    child.on('close', (code, signal) => {
      this.exit = code ?? signal ?? 'unknown';
    });
    await until(async () => this.exit !== undefined || (await this.answers()), 60_000, 'neither answer nor end');
  }

  argv(): readonly string[] {
    return ['--api-socket', `path=${this.socket}`, '--event-monitor', `path=${this.folder}/events.log`];
  }

  /** A configuration that boots; more members may be given. */
  config(more: object = {}): object {
    const { kernel, initrd, cmdline } = this.world;
    return {
      cpus: { boot_vcpus: 1, max_vcpus: 2 },
      memory: { size: 256 * mebibyte, hotplug_method: 'VirtioMem', hotplug_size: 256 * mebibyte },
      payload: { kernel, cmdline: `console=ttyS0 ${cmdline}`, ...(initrd === undefined ? {} : { initramfs: initrd }) },
      disks: [{ id: 'disk-a', path: `${this.folder}/disk`, image_type: 'Raw' }],
      rng: { src: '/dev/urandom' },
      serial: { mode: 'File', file: `${this.folder}/serial.log` },
      console: { mode: 'Off' },
      vsock: { cid: 3, socket: `${this.folder}/vsock.sock`, id: 'vsock' },
      ...more,
    };
  }

  call(method: string, action: string, body?: object | string): Promise<Reply> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          socketPath: this.socket,
          method,
          path: `/api/v1/${action}`,
          agent: false,
          headers: text === undefined ? {} : { 'content-length': Buffer.byteLength(text) },
        },
        (response) => {
          let reply = '';
          response.setEncoding('utf8').on('data', (chunk: string) => {
            reply += chunk;
          });
          response.on('end', () => resolve({ status: response.statusCode ?? 0, text: reply }));
        },
      );
      sent.on('error', reject);
      sent.end(text);
    });
  }

  put(action: string, body?: object | string): Promise<Reply> {
    return this.call('PUT', action, body);
  }

  async status(action: string, body?: object | string): Promise<number> {
    return (await this.put(action, body)).status;
  }

  async info(): Promise<Record<string, unknown> & { config: Record<string, unknown> }> {
    return JSON.parse((await this.call('GET', 'vm.info')).text);
  }

  /** Bytes in, bytes out, until the other side has been silent for a while or closes. */
  raw(bytes: string, path = this.socket): Promise<string> {
    return new Promise((resolve) => {
      const socket = connect(path);
      let reply = '';
      const quiet = Math.max(500, Math.min(5000, this.world.guestMs / 20));
      let timer = setTimeout(() => socket.destroy(), quiet);
      socket.on('data', (chunk) => {
        reply += chunk.toString('latin1');
        clearTimeout(timer);
        timer = setTimeout(() => socket.destroy(), quiet);
      });
      // A refused connection shows as a reset; what came before it counts.
      socket.on('error', () => undefined);
      socket.on('close', () => resolve(reply));
      socket.write(bytes);
    });
  }

  async events(): Promise<string> {
    return existsSync(`${this.folder}/events.log`) ? readFile(`${this.folder}/events.log`, 'utf8') : '';
  }

  async ended(limitMs = 60_000): Promise<number | string | undefined> {
    await until(async () => this.exit !== undefined, limitMs, 'does not end');
    return this.exit;
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.pid, signal);
  }

  /** Ends the process and removes the folder. */
  async remove(): Promise<void> {
    if (this.exit === undefined && this.pid !== 0) {
      this.kill('SIGKILL');
      await this.ended();
    }
    await rm(this.folder, { recursive: true, force: true });
  }

  private async answers(): Promise<boolean> {
    if (!existsSync(this.socket)) return false;
    return this.call('GET', 'vmm.ping').then(
      (reply) => reply.status === 200,
      () => false,
    );
  }
}

export const mebibyte: number = 1024 * 1024;

/** Waits for a condition; throws when it does not come. */
export async function until(condition: () => Promise<boolean>, limitMs: number, what: string): Promise<void> {
  for (const deadline = performance.now() + limitMs; !(await condition()); await delay(10)) {
    if (performance.now() > deadline) throw new Error(what);
  }
}
