// One fake VMM: command line, files, faults, the order of requests. What the requests do is in vm.mjs.
import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArguments } from './arguments.mjs';
import { isAtLeast, Refusal } from './config.mjs';
import { appendOpen } from './open-file.mjs';
import { listen, refuseConnection, serveHttp } from './server.mjs';
import { Vm } from './vm.mjs';

const reads = new Set(['vmm.ping', 'vm.info', 'vm.counters']);
const writes = new Map(
  Object.entries({
    'vmm.shutdown': 34,
    'vm.create': 34,
    'vm.boot': 34,
    'vm.shutdown': 34,
    'vm.delete': 34,
    'vm.reboot': 34,
    'vm.power-button': 34,
    'vm.nmi': 39,
    'vm.pause': 34,
    'vm.resume': 34,
    'vm.resize': 34,
    'vm.resize-disk': 50,
    'vm.add-disk': 34,
    'vm.add-net': 34,
    'vm.remove-device': 34,
  }),
);
const takesBody = new Set([
  'vm.create',
  'vm.resize',
  'vm.resize-disk',
  'vm.add-disk',
  'vm.add-net',
  'vm.remove-device',
]);

export class Vmm {
  /** `hello`: what the launcher said of itself; `tell`: says a line to the launcher. */
  constructor(world, hello, tell) {
    this.world = world;
    this.pid = hello.pid;
    this.netns = hello.netns;
    this.settings = hello.settings;
    this.tell = tell;
    this.version = hello.settings.FAKE_CH_VERSION;
    this.major = Number(this.version.split('.')[0]);
    this.startedAt = performance.now();
    this.calls = Promise.resolve();
    this.faultCounts = new Map();
    this.over = false;
  }

  /** Reads the command line and begins to listen. */
  async start(argv) {
    const parsed = parseArguments(argv, this.version);
    if (parsed.error !== undefined) return this.fail(parsed.code, parsed.error);
    this.apiSocket = parsed.apiSocket;
    this.eventsPath = parsed.events;
    if (this.eventsPath !== undefined) writeFileSync(this.eventsPath, '');
    if (this.setting('LOG') !== undefined) appendFileSync(this.setting('LOG'), '');
    this.event('vmm', 'starting');
    this.vm = new Vm(this);
    return this.#open();
  }

  setting(name) {
    return this.settings[`FAKE_CH_${name}`];
  }

  async #open() {
    if (this.setting('EXIT_AT_START') !== undefined) {
      return this.fail(Number(this.setting('EXIT_AT_START')), 'Error: the fake was told to fail');
    }
    await this.#wait('socket');
    if (this.setting('NO_SOCKET') !== undefined || this.apiSocket === undefined || this.over) return;
    if (existsSync(this.apiSocket)) {
      const live = [...this.world.vmms.values()].some((other) => other.apiSocket === this.apiSocket && !other.over);
      if (this.major < 53) return this.fail(1, 'Error: Error creating API server socket: Address in use (os error 98)');
      if (live) return this.fail(1, 'Error: API socket is in use by another instance');
      rmSync(this.apiSocket, { force: true });
    }
    if (this.major >= 53) writeFileSync(`${this.apiSocket}.lock`, '');
    this.world.vmms.set(this.pid, this);
    this.server = listen(
      this.apiSocket,
      (socket, count) => {
        if (count > 10) return refuseConnection(socket);
        return serveHttp(socket, this.major, (method, path, body) => this.#inTurn(method, path, body));
      },
      (error) => this.fail(1, `Error: ${error.message}`),
    );
  }

  /** One request at a time, whatever the connection: everything waits behind a slow one, ping included. */
  #inTurn(method, path, body) {
    const mine = this.calls.then(() => this.#answer(method, path, body)).catch((error) => this.#panic(error));
    this.calls = mine;
    return mine;
  }

  /** What the fake did not expect ends this VMM, as a panic does, and no other one of the hub. */
  #panic(error) {
    console.error(error);
    this.crash('panic', error.message);
    return { status: 500, fault: 'cut' };
  }

  async #answer(method, path, body) {
    const action = path.startsWith('/api/v1/') ? path.slice(8) : '';
    const fault = this.#faultFor(action);
    if (fault?.do === 'slow') await delay(fault.ms);
    if (fault?.do === 'hang') await new Promise(() => undefined);
    if (fault?.do === 'crash' || fault?.do === 'sigsys') {
      this.crash(fault.do);
      return { status: 500, fault: 'cut' };
    }
    await this.#wait(action);
    const reply =
      fault?.do === 'error'
        ? this.#refusal(fault.status ?? 500, fault.causes ?? ['Error from API', 'told to fail'])
        : await this.#serve(method, action, body);
    this.#log(method, action, body, reply.status);
    return ['reset', 'half', 'half-hang', 'garbage', 'huge', 'lost'].includes(fault?.do)
      ? { ...reply, fault: fault.do }
      : reply;
  }

  async #serve(method, action, body) {
    const since = reads.has(action) ? 34 : writes.get(action);
    if (method === 'PATCH' || method === 'DELETE') return this.#refusal(400, ['Bad Request']);
    if (since === undefined || this.major < since) return this.#refusal(404, ['Not Found']);
    if ((method === 'GET') !== reads.has(action)) return this.#refusal(400, ['Bad Request']);
    if (takesBody.has(action) !== (body !== '') && !reads.has(action)) return this.#refusal(400, ['Bad Request']);
    let sent;
    try {
      if (takesBody.has(action)) sent = JSON.parse(body);
    } catch (error) {
      return this.#refusal(400, ['Failed to deserialize JSON', error.message]);
    }
    try {
      const reply = await this.vm.serve(action, sent);
      return reply === undefined ? { status: 204 } : { status: 200, body: reply };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return this.#refusal(error.status, error.causes, error.debug);
    }
  }

  /** Error bodies by release: Debug text, the innermost cause as a line, a JSON array of causes. */
  #refusal(status, causes, debug = causes.at(-1)) {
    const body = this.major >= 47 ? JSON.stringify(causes) : this.major >= 38 ? causes.at(-1) : `ApiError(${debug})`;
    return { status, body };
  }

  /** Faults lie beside the API socket: `[{on, do, times?, after?, …}]`. */
  #faultFor(action) {
    const path = `${this.apiSocket}.faults`;
    if (!existsSync(path)) return undefined;
    for (const fault of JSON.parse(readFileSync(path, 'utf8'))) {
      if (fault.on !== action && fault.on !== '*') continue;
      const key = JSON.stringify(fault);
      const count = (this.faultCounts.get(key) ?? 0) + 1;
      this.faultCounts.set(key, count);
      const after = fault.after ?? 0;
      if (count > after && count <= after + (fault.times ?? Number.POSITIVE_INFINITY)) return fault;
    }
    return undefined;
  }

  async #wait(action) {
    const latency = this.setting('LATENCY');
    if (latency === undefined) return;
    const table = JSON.parse(latency);
    const ms = table[action] ?? (action === 'socket' ? 0 : (table['*'] ?? 0));
    if (ms > 0) await delay(ms);
  }

  #log(method, action, body, status) {
    const path = this.setting('LOG');
    if (path === undefined) return;
    const entry = { pid: this.pid, socket: this.apiSocket, method, action, ...(body === '' ? {} : { body }), status };
    appendOpen(path, `${JSON.stringify(entry)}\n`);
  }

  event(source, event, properties = null) {
    if (this.eventsPath === undefined) return;
    const elapsed = performance.now() - this.startedAt;
    const timestamp = { secs: Math.floor(elapsed / 1000), nanos: Math.floor((elapsed % 1000) * 1e6) };
    appendOpen(this.eventsPath, `${JSON.stringify({ timestamp, source, event, properties }, null, 2)}\n\n`);
  }

  ping() {
    const features = isAtLeast(this.version, 36) ? { features: ['io_uring', 'kvm'] } : {};
    return JSON.stringify({
      build_version: `v${this.version}`,
      version: `${this.major}.0.0`,
      pid: this.pid,
      ...features,
    });
  }

  /** A clean end: guest power-off, vmm.shutdown, SIGTERM. Removes the sockets. */
  end() {
    if (this.over) return;
    this.vm?.release();
    this.event('vm', 'shutdown');
    this.event('vmm', 'shutdown');
    this.#close({ keepFiles: false });
    this.tell('exit 0');
  }

  /** Dies of itself; sockets stay. */
  crash(how, why = 'told to crash') {
    if (this.over) return;
    this.tell(`stderr thread main panicked at the fake: ${why}`);
    this.#close({ keepFiles: true });
    this.tell(how === 'sigsys' ? 'kill SYS' : 'exit 1');
  }

  terminate() {
    this.end();
  }

  /** The process is gone, by SIGKILL perhaps: everything it held goes, its files stay. */
  vanish() {
    this.#close({ keepFiles: true });
  }

  /** The process ends before it is any VMM. */
  fail(code, text) {
    this.over = true;
    this.tell(`stderr ${text}`);
    this.tell(`exit ${code}`);
  }

  #close({ keepFiles }) {
    if (this.over) return;
    this.over = true;
    this.server?.close({ keepFile: keepFiles });
    this.vm?.close({ keepFiles });
    this.world.vmms.delete(this.pid);
  }
}
