// The guest that the fake pretends to run: its vsock socket and the qemu-guest-agent behind port 1024.
import { Buffer } from 'node:buffer';

/** Serves one connection to the vsock socket. `guest` is the VM's guest: `up`, `cpus`, `nics`, `files`, `powerOff()`. */
export function serveVsock(socket, guest) {
  let received = Buffer.alloc(0);
  let agent;
  socket.on('end', () => socket.destroy());
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (agent === undefined) greet();
    if (agent !== undefined) converse();
  });

  function greet() {
    const end = received.indexOf('\n');
    if (end === -1) {
      if (received.length > 32) socket.destroy();
      return;
    }
    const port = /^connect (\d+)$/i.exec(received.toString('latin1', 0, end))?.[1];
    received = received.subarray(end + 1);
    // Before the guest's driver is up, nobody reads: the connection just hangs.
    if (!guest.up) guest.whenUp(() => socket.destroy());
    else if (port !== '1024' || guest.noAgent) socket.destroy();
    else {
      socket.write('OK 1073741824\n');
      agent = new Agent(guest);
    }
  }

  function converse() {
    for (let end = received.indexOf('\n'); end !== -1; end = received.indexOf('\n')) {
      const line = received.toString('utf8', 0, end).replace(/^[^{]*/, '');
      received = received.subarray(end + 1);
      if (line.trim() !== '') socket.write(agent.answer(line));
    }
  }
}

/** One conversation with the agent: a line of JSON in, a line out. */
class Agent {
  constructor(guest) {
    this.guest = guest;
  }

  answer(line) {
    let request;
    try {
      request = JSON.parse(line);
    } catch {
      return `${JSON.stringify({ error: { class: 'GenericError', desc: 'JSON parse error' } })}\n`;
    }
    const { execute, arguments: given = {}, id } = request;
    const command = commands[execute];
    const reply =
      command === undefined
        ? { error: { class: 'CommandNotFound', desc: `The command ${execute} has not been found` } }
        : command(this.guest, given);
    if (reply === undefined) return '';
    const text = JSON.stringify(id === undefined ? reply : { ...reply, id });
    const bytes = Buffer.from(`${text}\n`);
    return execute === 'guest-sync-delimited' ? Buffer.concat([Buffer.from([0xff]), bytes]) : bytes;
  }
}

const commands = {
  'guest-sync': (_guest, { id }) => ({ return: id }),
  'guest-sync-delimited': (_guest, { id }) => ({ return: id }),
  'guest-ping': () => ({ return: {} }),
  'guest-info': () => ({
    return: {
      version: '8.2.0',
      supported_commands: Object.keys(commands).map((name) => ({ name, enabled: true, 'success-response': true })),
    },
  }),
  'guest-get-host-name': (guest) => ({ return: { 'host-name': guest.hostname } }),
  'guest-get-time': () => ({ return: Date.now() * 1e6 }),
  'guest-set-time': () => ({ return: {} }),
  'guest-get-osinfo': () => ({ return: { id: 'fake', name: 'Fake Linux', 'kernel-release': '6.1.0-fake' } }),
  'guest-get-vcpus': (guest) => ({
    return: Array.from({ length: guest.cpus() }, (_, at) => ({
      'logical-id': at,
      online: true,
      'can-offline': at > 0,
    })),
  }),
  'guest-set-vcpus': (_guest, { vcpus = [] }) => ({ return: vcpus.length }),
  'guest-get-memory-block-info': () => ({ return: { size: 128 * 1024 * 1024 } }),
  'guest-network-get-interfaces': (guest) => ({
    return: [
      { name: 'lo', 'ip-addresses': [{ 'ip-address-type': 'ipv4', 'ip-address': '127.0.0.1', prefix: 8 }] },
      ...guest.nics().map((mac, at) => ({ name: `eth${at}`, 'hardware-address': mac, 'ip-addresses': [] })),
    ],
  }),
  'guest-shutdown': (guest, { mode = 'powerdown' }) => {
    if (mode === 'reboot') guest.reboot();
    else guest.powerOff();
    // The real agent gives no answer to this one.
    return undefined;
  },
  'guest-exec': (guest, { path, arg = [], 'input-data': input }) => {
    const pid = guest.nextPid();
    const stdin = Buffer.from(input ?? '', 'base64').toString('utf8');
    guest.executions.set(pid, execute(guest, [path, ...arg], stdin));
    return { return: { pid } };
  },
  'guest-exec-status': (guest, { pid }) => {
    const done = guest.executions.get(pid);
    if (done === undefined) return { error: { class: 'GenericError', desc: `PID ${pid} does not exist` } };
    guest.executions.delete(pid);
    return {
      return: {
        exited: true,
        exitcode: done.code,
        ...(done.out === '' ? {} : { 'out-data': Buffer.from(done.out).toString('base64') }),
        ...(done.err === '' ? {} : { 'err-data': Buffer.from(done.err).toString('base64') }),
      },
    };
  },
  'guest-file-open': (guest, { path, mode = 'r' }) => {
    if (mode.startsWith('r') && !guest.files.has(path)) {
      return { error: { class: 'GenericError', desc: `failed to open file '${path}': No such file or directory` } };
    }
    if (mode.startsWith('w')) guest.files.set(path, Buffer.alloc(0));
    const handle = guest.nextPid();
    guest.handles.set(handle, { path, at: 0 });
    return { return: handle };
  },
  'guest-file-write': (guest, { handle, 'buf-b64': data }) => {
    const open = guest.handles.get(handle);
    const bytes = Buffer.from(data, 'base64');
    guest.files.set(open.path, Buffer.concat([guest.files.get(open.path) ?? Buffer.alloc(0), bytes]));
    return { return: { count: bytes.length, eof: false } };
  },
  'guest-file-read': (guest, { handle, count = 4096 }) => {
    const open = guest.handles.get(handle);
    const bytes = guest.files.get(open.path).subarray(open.at, open.at + count);
    open.at += bytes.length;
    return { return: { count: bytes.length, 'buf-b64': bytes.toString('base64'), eof: bytes.length < count } };
  },
  'guest-file-close': (guest, { handle }) => {
    guest.handles.delete(handle);
    return { return: {} };
  },
  'guest-file-flush': () => ({ return: {} }),
  'guest-fsfreeze-freeze': () => ({ return: 1 }),
  'guest-fsfreeze-thaw': () => ({ return: 1 }),
  'guest-fsfreeze-status': () => ({ return: 'thawed' }),
};

/** The few commands that the guest knows. */
function execute(guest, argv, stdin) {
  const [path = '', ...args] = argv;
  const program = path.split('/').at(-1);
  const ok = (out = '') => ({ code: 0, out, err: '' });
  switch (program) {
    case 'true':
      return ok();
    case 'false':
      return { code: 1, out: '', err: '' };
    case 'echo':
      return ok(`${args.join(' ')}\n`);
    case 'hostname':
      return ok(`${guest.hostname}\n`);
    case 'uname':
      return ok(args.includes('-r') ? '6.1.0-fake\n' : 'Linux\n');
    case 'nproc':
      return ok(`${guest.cpus()}\n`);
    case 'cat': {
      if (args.length === 0) return ok(stdin);
      const missing = args.find((name) => !guest.files.has(name));
      if (missing !== undefined) return { code: 1, out: '', err: `cat: ${missing}: No such file or directory\n` };
      return ok(args.map((name) => guest.files.get(name).toString('utf8')).join(''));
    }
    case 'poweroff':
    case 'halt':
      guest.powerOff();
      return ok();
    case 'reboot':
      guest.reboot();
      return ok();
    case 'sh': {
      const exit = /^exit (\d+)$/.exec(args[1] ?? '');
      if (exit !== null) return { code: Number(exit[1]), out: '', err: '' };
      return execute(guest, (args[1] ?? '').trim().split(/\s+/), stdin);
    }
    default:
      return { code: 127, out: '', err: `${program}: not found\n` };
  }
}
