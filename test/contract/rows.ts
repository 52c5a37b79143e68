// Statements about Cloud Hypervisor's wire, each with the id that test/fakes/cloud-hypervisor/README.md gives it.
// They are put to the fake and to the real program alike; those never put to a real one count as unproven.
import { equal, match, notEqual, ok } from 'node:assert/strict';
import { existsSync, rmSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { isAtLeast } from '../../src/vmm/cloud-hypervisor/version.ts';
import { mebibyte, type Reply, until, WireVmm, type WireWorld } from './wire.ts';

export interface Row {
  readonly id: string;
  readonly says: string;
  /** First release that it holds for */
  readonly since?: number;
  /** Whether the guest itself must be up */
  readonly guest?: boolean;
  readonly check: (vmm: WireVmm, at: (major: number, minor?: number) => boolean) => Promise<void>;
}

/** Rows that are asked of one VMM process, in this order. */
export interface Scene {
  readonly name: string;
  /** What happens before the first row */
  readonly begin: (world: WireWorld) => Promise<WireVmm>;
  readonly rows: readonly Row[];
}

const causes = (reply: Reply): readonly string[] => {
  try {
    return JSON.parse(reply.text);
  } catch {
    return [reply.text];
  }
};

async function booted(world: WireWorld): Promise<WireVmm> {
  const vmm = await WireVmm.start(world);
  equal(await vmm.status('vm.create', vmm.config()), 204);
  equal(await vmm.status('vm.boot'), 204);
  return vmm;
}

/** Ten connections that have each been answered once. Places of earlier ones are freed a moment after they close. */
async function holdTen(vmm: WireVmm): Promise<readonly Socket[]> {
  const held: Socket[] = [];
  await until(
    async () => {
      const socket = connect(vmm.socket);
      const served = await new Promise<boolean>((resolve) => {
        socket.once('data', (chunk) => resolve(chunk.toString('latin1', 0, 12).endsWith(' 200')));
        socket.on('error', () => resolve(false)).on('close', () => resolve(false));
        socket.write(get('vmm.ping'));
      });
      if (served) held.push(socket);
      else socket.destroy();
      return held.length === 10;
    },
    20_000,
    'ten connections are not served',
  );
  return held;
}

/** `source/event` of each event, in order. */
const eventsOf = (log: string): readonly string[] =>
  [...log.matchAll(/"source":\s*"([^"]*)",\s*"event":\s*"([^"]*)"/g)].map(([, source, event]) => `${source}/${event}`);

const get = (path: string): string => `GET /api/v1/${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

export const scenes: readonly Scene[] = [
  {
    name: 'a VMM without a VM',
    begin: (world) => WireVmm.start(world),
    rows: [
      {
        id: 'CH-PING',
        says: 'vmm.ping gives 200 with build_version, version and the pid of the process; features since v36',
        check: async (vmm, at) => {
          const reply = await vmm.call('GET', 'vmm.ping');
          const ping = JSON.parse(reply.text);
          equal(reply.status, 200);
          equal(ping.pid, vmm.pid);
          match(ping.build_version, /^v?\d+\.\d+/);
          equal(Array.isArray(ping.features), at(36));
        },
      },
      {
        id: 'CH-NO-VM',
        says: 'without a VM, vm.info and vm.boot give 404 since v53 and 500 before; the body names the reason',
        check: async (vmm, at) => {
          const info = await vmm.call('GET', 'vm.info');
          equal(info.status, at(53) ? 404 : 500);
          match(info.text, /VM is not created|VmNotCreated/);
          equal(await vmm.status('vm.boot'), at(53) ? 404 : 500);
        },
      },
      {
        id: 'CH-ERROR-FORM',
        says: 'error bodies are Debug text up to v37, one line up to v46, a JSON array of causes since v47',
        check: async (vmm, at) => {
          const reply = await vmm.call('GET', 'vm.info');
          if (at(47)) ok(Array.isArray(JSON.parse(reply.text)) && causes(reply).length > 1);
          else if (at(38)) equal(reply.text.trim(), 'VM is not created');
          else match(reply.text, /^ApiError\(/);
        },
      },
      {
        id: 'CH-DELETE-IDEMPOTENT',
        says: 'vm.delete without a VM is 204',
        check: async (vmm) => equal(await vmm.status('vm.delete'), 204),
      },
      {
        id: 'CH-ROUTES',
        says: 'unknown routes and query strings are 404; the wrong one of GET and PUT, and PATCH, are 400',
        check: async (vmm) => {
          equal(await vmm.status('vm.fly'), 404);
          equal((await vmm.call('GET', 'vm.info?x=1')).status, 404);
          equal((await vmm.call('GET', 'vm.boot')).status, 400);
          equal(await vmm.status('vm.info'), 400);
          equal((await vmm.call('PATCH', 'vm.boot')).status, 400);
        },
      },
      {
        id: 'CH-BODIES',
        says: 'a body on an action, none where one is needed, and bad JSON are 400',
        check: async (vmm) => {
          equal(await vmm.status('vm.boot', '{}'), 400);
          equal(await vmm.status('vm.create'), 400);
          equal(await vmm.status('vm.create', '{"cpus":'), 400);
        },
      },
      {
        id: 'CH-LIMITS',
        says: 'bodies over 51200 bytes and header lines over 1024 give 400 by the parser, with a raw line break in the JSON',
        check: async (vmm) => {
          const large = await vmm.raw(`PUT /api/v1/vm.create HTTP/1.1\r\nContent-Length: 51201\r\n\r\n`);
          match(large, /^HTTP\/1\.[01] 400/);
          match(large, /"error": "[^"]*\n/);
          const long = await vmm.raw(`GET /api/v1/vmm.ping HTTP/1.1\r\nX-Long: ${'x'.repeat(1100)}\r\n\r\n`);
          match(long, /^HTTP\/1\.[01] 400/);
        },
      },
      {
        id: 'CH-STATUS-LINE',
        says: 'status lines have no reason phrase; the connection stays open whatever is asked; requests are answered in order',
        check: async (vmm) => {
          const reply = await vmm.raw(
            `${get('vmm.ping').replace('Host', 'Connection: close\r\nHost')}${get('vm.info')}`,
          );
          match(reply, /^HTTP\/1\.[01] 200 \r\n/);
          ok(reply.indexOf('build_version') < reply.lastIndexOf('HTTP/1.'));
          equal(reply.match(/HTTP\/1\.[01] \d{3}/g)?.length, 2);
        },
      },
      {
        id: 'CH-CHUNKED',
        says: 'a chunked body is not read: it is taken for the next request',
        check: async (vmm) => {
          const reply = await vmm.raw(
            'PUT /api/v1/vm.create HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
          );
          match(reply, /HTTP\/1\.[01] 400/);
          equal((await vmm.call('GET', 'vm.info')).status === 200, false);
        },
      },
      {
        id: 'CH-TEN-CONNECTIONS',
        says: 'ten connections are served; the eleventh gets a raw 503 and is closed',
        check: async (vmm) => {
          const held = await holdTen(vmm);
          try {
            const reply = await new Promise<string>((resolve) => {
              let text = '';
              const eleventh = connect(vmm.socket);
              eleventh.on('data', (chunk) => {
                text += chunk.toString();
              });
              eleventh.on('error', () => undefined).on('close', () => resolve(text));
            });
            match(reply, /^HTTP\/1\.[01] 503[\s\S]*Too many open connections/);
          } finally {
            for (const socket of held) socket.destroy();
          }
          await until(
            () =>
              vmm.call('GET', 'vmm.ping').then(
                (reply) => reply.status === 200,
                () => false,
              ),
            10_000,
            'places are not freed',
          );
        },
      },
      {
        id: 'CH-CREATE',
        says: 'vm.create is 204 without validation, unknown fields vanish; a second one is 500; vm.info says Created',
        check: async (vmm) => {
          const net = vmm.world.taps ? { net: [{ id: 'net-a', tap: 'wiretap0', num_queues: 2 }] } : {};
          equal(
            await vmm.status('vm.create', vmm.config({ nonsense: 1, ...net, disks: [{ id: 'd', path: '/none' }] })),
            204,
          );
          equal(await vmm.status('vm.create', vmm.config()), 500);
          const info = await vmm.info();
          equal(info['state'], 'Created');
          equal('nonsense' in info.config, false);
        },
      },
      {
        id: 'CH-NULLS',
        says: 'unset options are null up to v52 and left out since v53; there is no device tree before boot',
        check: async (vmm, at) => {
          const info = await vmm.info();
          equal(info['device_tree'] ?? null, null);
          equal('tpm' in info.config, !at(53));
        },
      },
      {
        id: 'CH-MAC',
        says: 'a MAC address that was not given is chosen while decoding: it is there in Created',
        check: async (vmm) => {
          if (!vmm.world.taps) return;
          const [net] = (await vmm.info()).config['net'] as { mac: string }[];
          match(net?.mac ?? '', /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
        },
      },
      {
        id: 'CH-NOT-BOOTED',
        says: 'not booted, pause, resume, power-button, counters and shutdown are 500',
        check: async (vmm) => {
          for (const action of ['vm.pause', 'vm.resume', 'vm.power-button', 'vm.shutdown']) {
            equal(await vmm.status(action), 500, action);
          }
          equal((await vmm.call('GET', 'vm.counters')).status, 500);
        },
      },
      {
        id: 'CH-UUID',
        says: 'since v53 platform.system_uuid is taken and told, and the old name uuid is an alias; before, only uuid is known',
        check: async (vmm, at) => {
          const uuid = '00000000-0000-4000-8000-000000000001';
          const name = at(53) ? 'system_uuid' : 'uuid';
          for (const sent of at(53) ? ['system_uuid', 'uuid'] : ['uuid']) {
            equal(await vmm.status('vm.delete'), 204);
            equal(await vmm.status('vm.create', vmm.config({ platform: { [sent]: uuid } })), 204, sent);
            const platform = (await vmm.info()).config['platform'] as Record<string, unknown>;
            equal(platform[name], uuid, sent);
          }
          equal(await vmm.status('vm.delete'), 204);
          equal(await vmm.status('vm.create', vmm.config()), 204);
        },
      },
      {
        id: 'CH-EVENTS',
        says: 'events are JSON objects over several lines, beginning with vmm/starting',
        check: async (vmm) => {
          const [first = ''] = (await vmm.events()).split(/\n\n/);
          const { source, event } = JSON.parse(first);
          equal(`${source}/${event}`, 'vmm/starting');
          match(first, /\n/);
        },
      },
      {
        id: 'CH-SHUTDOWN',
        says: 'vmm.shutdown is 200 without a body; the process ends with 0 and removes its socket',
        check: async (vmm) => {
          const reply = await vmm.put('vmm.shutdown');
          equal(reply.status, 200);
          equal(reply.text, '');
          equal(await vmm.ended(), 0);
          equal(existsSync(vmm.socket), false);
        },
      },
    ],
  },
  {
    name: 'boots that fail',
    begin: (world) => WireVmm.start(world),
    rows: [
      {
        id: 'CH-BOOT-VALIDATION',
        says: 'what vm.create took without a look fails in vm.boot with 500: more vCPUs than the maximum',
        check: async (vmm) => {
          equal(await vmm.status('vm.delete'), 204, 'what was left can be deleted');
          equal(await vmm.status('vm.create', vmm.config({ cpus: { boot_vcpus: 3, max_vcpus: 2 } })), 204);
          const reply = await vmm.put('vm.boot');
          equal(reply.status, 500);
          match(reply.text, /Max CPUs.* lower than boot CPUs|CpusMaxLowerThanBoot/i);
        },
      },
      {
        id: 'CH-LIST-LOSS',
        says: 'a disk that is not there fails the boot; since v51 the list of disks is gone from vm.info, before it stays',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.delete'), 204, 'what was left can be deleted');
          const disks = [
            { id: 'disk-a', path: `${vmm.folder}/disk` },
            { id: 'disk-b', path: '/no/such/file' },
          ];
          equal(await vmm.status('vm.create', vmm.config({ disks })), 204);
          equal(await vmm.status('vm.boot'), 500);
          const left = ((await vmm.info()).config['disks'] ?? []) as unknown[];
          equal(left.length === 2, !at(51));
        },
      },
      {
        id: 'CH-HOTPLUG-STEP',
        says: 'a hotplug_size that is no multiple of 128 MiB fails the boot with virtio-mem',
        check: async (vmm) => {
          equal(await vmm.status('vm.delete'), 204, 'what was left can be deleted');
          const memory = { size: 256 * mebibyte, hotplug_method: 'VirtioMem', hotplug_size: 100 * mebibyte };
          equal(await vmm.status('vm.create', vmm.config({ memory })), 204);
          equal(await vmm.status('vm.boot'), 500);
        },
      },
      {
        id: 'CH-VSOCK-STALE',
        says: 'a file in the place of the vsock socket fails the boot: address in use',
        check: async (vmm) => {
          equal(await vmm.status('vm.delete'), 204, 'what was left can be deleted');
          const socket = `${vmm.folder}/disk`;
          equal(await vmm.status('vm.create', vmm.config({ disks: [], vsock: { cid: 3, socket, id: 'v' } })), 204);
          const reply = await vmm.put('vm.boot');
          equal(reply.status, 500);
          if (isAtLeast({ major: Number.parseInt(vmm.world.version, 10), minor: 0 }, 47)) match(reply.text, /in use/i);
        },
      },
      {
        id: 'CH-WRECK',
        says: 'a missing kernel leaves a wreck: state Created with a device tree; since v53 it is not booted again',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.delete'), 204, 'what was left can be deleted');
          const config = vmm.config({ disks: [], payload: { kernel: '/no/such/kernel', cmdline: '' } });
          equal(await vmm.status('vm.create', config), 204);
          equal(await vmm.status('vm.boot'), 500);
          const info = await vmm.info();
          equal(info['state'], 'Created');
          notEqual(info['device_tree'] ?? null, null);
          if (at(53)) equal(await vmm.status('vm.boot'), 500);
        },
      },
    ],
  },
  {
    name: 'a VM that runs',
    begin: booted,
    rows: [
      {
        id: 'CH-RUNNING',
        says: 'vm.info says Running, keeps the ids given, has a device tree, and memory_actual_size is the size at boot',
        check: async (vmm) => {
          const info = await vmm.info();
          equal(info['state'], 'Running');
          equal(info['memory_actual_size'], 256 * mebibyte);
          equal((info.config['disks'] as { id: string }[])[0]?.id, 'disk-a');
          ok(Object.hasOwn(info['device_tree'] as object, 'disk-a'));
        },
      },
      {
        id: 'CH-STATES',
        says: 'boot, resume of a running VM and a second pause are 500; pause and resume are 204',
        check: async (vmm) => {
          equal(await vmm.status('vm.boot'), 500);
          equal(await vmm.status('vm.resume'), 500);
          equal(await vmm.status('vm.pause'), 204);
          equal(await vmm.status('vm.pause'), 500);
          equal((await vmm.info())['state'], 'Paused');
          equal(await vmm.status('vm.resume'), 204);
          equal((await vmm.info())['state'], 'Running');
        },
      },
      {
        id: 'CH-BOOT-PAUSED',
        says: 'vm.boot of a paused VM is 500 since v53; before it resumes the VM',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.pause'), 204);
          equal(await vmm.status('vm.boot'), at(53) ? 500 : 204);
          equal((await vmm.info())['state'], at(53) ? 'Paused' : 'Running');
          if (at(53)) equal(await vmm.status('vm.resume'), 204);
        },
      },
      {
        id: 'CH-CPUS',
        says: 'vCPUs: up to the maximum 204 and in vm.info at once, beyond it 500; none at all 500 since v46',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.resize', { desired_vcpus: 3 }), 500);
          if (at(46)) equal(await vmm.status('vm.resize', { desired_vcpus: 0 }), 500);
          equal(await vmm.status('vm.resize', { desired_vcpus: 2 }), 204);
          equal(((await vmm.info()).config['cpus'] as { boot_vcpus: number }).boot_vcpus, 2);
        },
      },
      {
        id: 'CH-MEMORY',
        says: 'virtio-mem: no multiple of 2 MiB, beyond hotplug_size, and the same target twice are 500; below the boot size 500 since v53',
        check: async (vmm, at) => {
          const resize = (mib: number): Promise<number> => vmm.status('vm.resize', { desired_ram: mib * mebibyte });
          equal(await resize(257), 500);
          equal(await resize(1024), 500);
          equal(await resize(256), 500, 'the size that it has');
          equal(await resize(384), 204);
          equal(await resize(384), 500);
          equal(((await vmm.info()).config['memory'] as { hotplugged_size: number }).hotplugged_size, 128 * mebibyte);
          if (at(53)) equal(await resize(128), 500);
        },
      },
      {
        id: 'CH-ADD',
        says: 'vm.add-disk is 200 with id and bdf; the same id again and a file that is not there are 500',
        check: async (vmm) => {
          const disk = { id: 'disk-x', path: vmm.world.kernel, readonly: true, image_type: 'Raw' };
          const reply = await vmm.put('vm.add-disk', disk);
          equal(reply.status, 200);
          match(JSON.parse(reply.text).bdf, /^0000:00:[0-9a-f]{2}\.0$/);
          equal(await vmm.status('vm.add-disk', disk), 500);
          equal(await vmm.status('vm.add-disk', { ...disk, id: 'disk-y', path: '/no/such' }), 500);
        },
      },
      {
        id: 'CH-RESIZE-READONLY',
        says: 'vm.resize-disk of a read-only disk is 500, and its file stays as it was',
        since: 50,
        check: async (vmm) => {
          const { size } = statSync(vmm.world.kernel);
          equal(
            await vmm.status('vm.resize-disk', { id: 'disk-x', desired_size: 512 * (Math.ceil(size / 512) + 8) }),
            500,
          );
          equal(statSync(vmm.world.kernel).size, size);
        },
      },
      {
        id: 'CH-REMOVE',
        says: 'vm.remove-device only asks: the configuration forgets at once, the device tree when the guest lets go; unknown ids are 500, since v54 404',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.remove-device', { id: 'no-such' }), at(54) ? 404 : 500);
          // Paused, so that the guest cannot answer in between.
          equal(await vmm.status('vm.pause'), 204);
          equal(await vmm.status('vm.remove-device', { id: 'disk-x' }), 204);
          const info = await vmm.info();
          equal(
            (info.config['disks'] as { id: string }[]).some((disk) => disk.id === 'disk-x'),
            false,
          );
          ok(Object.hasOwn(info['device_tree'] as object, 'disk-x'));
          const again = at(54) || !at(53) ? 204 : 500;
          equal(await vmm.status('vm.remove-device', { id: 'disk-x' }), again, 'asked twice');
          equal(await vmm.status('vm.resume'), 204);
        },
      },
      {
        id: 'CH-RESIZE-DISK',
        says: 'vm.resize-disk changes the file; no multiple of 512 and unknown ids are 500; below v50 there is no such route',
        check: async (vmm, at) => {
          const resize = (id: string, size: number): Promise<number> =>
            vmm.status('vm.resize-disk', { id, desired_size: size });
          if (!at(50)) return equal(await resize('disk-a', 2 * mebibyte), 404);
          equal(await resize('disk-a', 2 * mebibyte), 204);
          equal(statSync(`${vmm.folder}/disk`).size, 2 * mebibyte);
          equal(await resize('disk-a', 2 * mebibyte + 1), 500);
          equal(await resize('no-such', 2 * mebibyte), 500);
        },
      },
      {
        id: 'CH-COUNTERS',
        says: 'unused latency counters begin at 2^64 - 1',
        since: 35,
        check: async (vmm) => match((await vmm.call('GET', 'vm.counters')).text, /18446744073709551615/),
      },
      {
        id: 'CH-LOCK',
        says: 'a second VM cannot open a disk that another has open for writing',
        since: 46,
        check: async (vmm) => {
          const other = await WireVmm.start(vmm.world);
          try {
            const disks = [{ id: 'disk-a', path: `${vmm.folder}/disk`, image_type: 'Raw' }];
            equal(await other.status('vm.create', other.config({ disks })), 204);
            const reply = await other.put('vm.boot');
            equal(reply.status, 500);
            match(reply.text, /lock/i);
          } finally {
            await other.remove();
          }
        },
      },
      {
        id: 'CH-VM-SHUTDOWN',
        says: 'vm.shutdown goes back to Created, from where vm.boot is 204; vm.delete of a running VM leaves none',
        check: async (vmm, at) => {
          equal(await vmm.status('vm.shutdown'), 204);
          equal((await vmm.info())['state'], 'Created');
          equal(await vmm.status('vm.boot'), 204);
          equal(await vmm.status('vm.delete'), 204);
          equal((await vmm.call('GET', 'vm.info')).status, at(53) ? 404 : 500);
        },
      },
      {
        id: 'CH-VM-EVENTS',
        says: 'vm.shutdown and vm.delete tell of a vm that ended, and of no vmm that did',
        check: async (vmm) => {
          const told = eventsOf(await vmm.events());
          ok(told.includes('vm/shutdown') && told.includes('vm/deleted'), told.join(' '));
          equal(told.includes('vmm/shutdown'), false);
        },
      },
    ],
  },
  {
    name: 'a guest that is up',
    begin: booted,
    rows: [
      {
        id: 'CH-VSOCK',
        says: 'CONNECT to a port that is listened on gives OK and a port from 2^30; any other closes without a word',
        guest: true,
        check: async (vmm) => {
          const socket = `${vmm.folder}/vsock.sock`;
          await until(
            async () => /^OK \d/.test(await vmm.raw('CONNECT 1024\n', socket)),
            vmm.world.guestMs,
            'no agent',
          );
          const [, port] = /^OK (\d+)\n/.exec(await vmm.raw('CONNECT 1024\n', socket)) ?? [];
          ok(Number(port) >= 2 ** 30);
          equal(await vmm.raw('CONNECT 4711\n', socket), '');
        },
      },
      {
        id: 'CH-SWAP',
        says: 'what is plugged in under the id of a removed disk is in vm.info with its own path and readonly',
        guest: true,
        check: async (vmm) => {
          equal(await vmm.status('vm.remove-device', { id: 'disk-a' }), 204);
          await until(
            async () => !Object.hasOwn((await vmm.info())['device_tree'] as object, 'disk-a'),
            vmm.world.guestMs,
            'the guest keeps the disk',
          );
          const other = { id: 'disk-a', path: vmm.world.kernel, readonly: true, image_type: 'Raw' };
          equal(await vmm.status('vm.add-disk', other), 200);
          const { config } = await vmm.info();
          const shown = (config['disks'] as { id: string; path: string; readonly: boolean }[]).find(
            (disk) => disk.id === 'disk-a',
          );
          equal(shown?.path, vmm.world.kernel);
          equal(shown?.readonly, true);
          equal((config['vsock'] as { socket: string }).socket, `${vmm.folder}/vsock.sock`);
        },
      },
      {
        id: 'CH-POWER-BUTTON',
        says: 'the power button ends the VMM with 0 by way of the guest; API and vsock sockets are removed, events tell of it',
        guest: true,
        check: async (vmm) => {
          equal(await vmm.status('vm.power-button'), 204);
          equal(await vmm.ended(vmm.world.guestMs), 0);
          equal(existsSync(vmm.socket), false);
          equal(existsSync(`${vmm.folder}/vsock.sock`), false);
          equal(eventsOf(await vmm.events()).at(-1), 'vmm/shutdown');
        },
      },
    ],
  },
  {
    name: 'the process',
    begin: (world) => WireVmm.prepare(world),
    rows: [
      {
        id: 'CH-ARGUMENTS',
        says: 'an unknown option ends with an error, and prints it',
        check: async (vmm) => {
          await vmm.spawn(['--no-such-option']);
          notEqual(vmm.exit, 0);
          match(vmm.stderr, /no-such-option/);
        },
      },
      {
        id: 'CH-SIGTERM',
        says: 'SIGTERM ends with 0 and removes the socket',
        check: async (vmm) => {
          await vmm.spawn();
          vmm.kill('SIGTERM');
          equal(await vmm.ended(), 0);
          equal(existsSync(vmm.socket), false);
        },
      },
      {
        id: 'CH-SIGKILL',
        says: 'SIGKILL leaves the API socket; the next start on it fails with 1 up to v52 and runs since v53',
        check: async (vmm, at) => {
          await vmm.spawn();
          vmm.kill('SIGKILL');
          equal(await vmm.ended(), 'SIGKILL');
          equal(existsSync(vmm.socket), true);
          await vmm.spawn();
          equal(vmm.exit, at(53) ? undefined : 1);
          if (at(53)) return;
          rmSync(vmm.socket, { force: true });
          await vmm.spawn();
          equal(vmm.exit, undefined);
        },
      },
      {
        id: 'CH-SECOND-START',
        says: 'a second start on the socket of a living VMM ends with 1 and leaves the first alone',
        since: 53,
        check: async (vmm) => {
          const first = vmm.pid;
          const second = await WireVmm.prepare(vmm.world);
          await second.spawn(vmm.argv());
          equal(second.exit, 1);
          await second.remove();
          equal(JSON.parse((await vmm.call('GET', 'vmm.ping')).text).pid, first);
        },
      },
    ],
  },
];
