// One node process that plays the VMMs of all launchers. A connection is a launcher: its end is the end of that process.
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { Vmm } from './vmm.mjs';

const [, , path] = process.argv;
/** Ends by itself once the last launcher has been gone this long, in `ms`. */
const idleMs = Number(process.env.FAKE_CH_HUB_IDLE_MS ?? 3000);

process.umask(0o077);
const world = { vmms: new Map(), taps: new Map(), locks: new Map() };
/** Started by a test: lives as long as it, and not by idling. */
const owned = process.env.FAKE_CH_HUB_OWNED !== undefined;
if (owned) process.stdin.on('end', end).resume();
let idle = owned ? undefined : setTimeout(end, Math.max(idleMs, 5000));
let links = 0;

const server = createServer((link) => {
  links += 1;
  clearTimeout(idle);
  let received = Buffer.alloc(0);
  let vmm;
  link.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    if (vmm === undefined) {
      const hello = takeHello();
      if (hello === undefined) return;
      link.write('ok\n');
      vmm = new Vmm(world, hello, (line) => link.write(`${line}\n`));
      vmm.start(hello.argv).catch((error) => vmm.fail(1, `Error: ${error.message}`));
    }
    if (received.includes('term\n')) {
      received = Buffer.alloc(0);
      vmm.terminate();
    }
  });
  link.on('error', () => undefined);
  link.on('close', () => {
    vmm?.vanish();
    links -= 1;
    if (links === 0 && !owned) idle = setTimeout(end, idleMs);
  });

  function takeHello() {
    const lineEnd = received.indexOf('\n');
    if (lineEnd === -1) return undefined;
    const length = Number(received.toString('latin1', 0, lineEnd));
    if (received.length < lineEnd + 1 + length) return undefined;
    const words = received.toString('utf8', lineEnd + 1, lineEnd + 1 + length).split('\0');
    received = received.subarray(lineEnd + 1 + length);
    const [pid, netns, ...rest] = words;
    const gap = rest.indexOf('');
    const settings = Object.fromEntries(rest.slice(0, gap).map((line) => line.split(/=(.*)/s).slice(0, 2)));
    return { pid: Number(pid), netns, settings, argv: rest.slice(gap + 1) };
  }
});
// A stale socket of a killed hub: the launcher that starts us holds a lock and could not connect.
rmSync(path, { force: true });
server.listen({ path, backlog: 4096 });

function end() {
  server.close();
  process.exit(0);
}
