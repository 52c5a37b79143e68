// What a sandbox looks like from outside: the VMMs' own words, /proc, the namespace and files.
// Nothing here goes through sbx, save the names that it gives to folders and links.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Address } from '../../src/core/address.ts';
import { bridgeName, tapName } from '../../src/core/link-names.ts';
import { resolveHome, sandboxLayout } from '../../src/store/home.ts';
import type { PlanHost } from './plan-host.ts';
import { processesSaying } from './sandbox-host.ts';
import type { Expected, ExpectedVm } from './sound-file.ts';
import type { Seen, VmmEye } from './vmm-eye.ts';

const mebibyte = 1024 * 1024;

/** Watches one home over a chain of applies. */
export class SeenWorld {
  readonly #host: Pick<PlanHost, 'home'>;
  readonly #eye: VmmEye;
  readonly #layout;
  #ours: readonly { readonly pid: number; readonly words: readonly string[] }[] = [];

  constructor(host: Pick<PlanHost, 'home'>, eye: VmmEye, name = 'gen') {
    this.#host = host;
    this.#eye = eye;
    const home = resolveHome({ flag: host.home, environment: {}, uid: process.getuid?.() ?? 0 });
    const layout = sandboxLayout(home, { name });
    if (!layout.ok) throw new TypeError(layout.diagnostics[0].detail);
    this.#layout = layout.value;
  }

  /** Everything in which the host differs from what is expected; empty when all is well. */
  async differences(expected: Expected): Promise<readonly string[]> {
    const found: string[] = [];
    const differ = (what: string, seen: unknown, wanted: unknown): void => {
      const [a, b] = [JSON.stringify(seen), JSON.stringify(wanted)];
      if (a !== b) found.push(`${what}: ${a}, expected ${b}`);
    };
    this.#look();
    const keeper = this.#processes((words) => words.includes('held') && words.includes(this.#host.home));
    differ('keepers', keeper.length, 1);
    differ('watchers', processesSaying(this.#host.home, 'holder.sh watch ').length, 1);
    const [inside] = keeper;
    if (inside === undefined) return found;
    const vmms = this.#processes(
      (words) => this.#eye.isVmm(words) && words.some((word) => word.includes(this.#layout.runDir)),
    );
    this.#compareVms({ expected, keeper: inside, vmms, seen: await this.#eye.look(vmms) }, differ);
    this.#compareLinks(expected, inside, differ);
    this.#compareFiles(expected, differ);
    const nat = Object.values(expected.networks).some(({ mode }) => mode === 'nat');
    const slirp = this.#processes((words) => words.some((word) => word === this.#layout.uplinkSocket));
    differ('uplinks', slirp.length, nat ? 1 : 0);
    differ('ports', listening(expected.ports), expected.ports);
    this.#compareLease(expected, differ);
    return found;
  }

  /** Whose API socket it is, out of these. */
  ownerOf(socket: string, addresses: readonly Address[]): Address | undefined {
    return addresses.find((address) => socket.startsWith(`${this.#layout.vmPaths(address).run}/`));
  }

  /** Pids and command lines that name something of this home; one look at /proc for all questions. */
  #look(): void {
    this.#ours = readdirSync('/proc').flatMap((name) => {
      if (!/^\d+$/.test(name)) return [];
      try {
        const text = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        if (!text.includes(this.#host.home) || /^\d+ \(.*\) [ZX]/s.test(readFileSync(`/proc/${name}/stat`, 'latin1')))
          return [];
        return [{ pid: Number(name), words: text.split('\0') }];
      } catch {
        return [];
      }
    });
  }

  #processes(matches: (words: readonly string[]) => boolean): readonly number[] {
    return this.#ours.filter(({ words }) => matches(words)).map(({ pid }) => pid);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one comparison after the other
  #compareVms({ expected, keeper, vmms, seen }: VmmsSeen, differ: Differ): void {
    const running = new Map<string, number[]>();
    for (const address of Object.keys(expected.vms)) running.set(address, []);
    for (const pid of vmms) {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      const address = Object.keys(expected.vms).find((one) => words.includes(this.#layout.vmPaths(one as Address).run));
      if (address === undefined) differ('a VMM that nobody asked for', words.replaceAll('\0', ' '), undefined);
      else running.get(address)?.push(pid);
    }
    const netns = readlinkSync(`/proc/${keeper}/ns/net`);
    for (const [address, vm] of Object.entries(expected.vms)) {
      const [pid, ...more] = running.get(address) ?? [];
      differ(`${address} VMMs`, more.length + (pid === undefined ? 0 : 1), vm.running ? 1 : 0);
      const told = pid === undefined ? undefined : seen.get(pid);
      if (pid === undefined || !vm.running) continue;
      differ(`${address} namespace`, readlinkSync(`/proc/${pid}/ns/net`), netns);
      if (told === undefined) differ(`${address} was told anything`, false, true);
      else this.#compareVm(address as Address, vm, told, differ);
    }
  }

  #compareVm(address: Address, vm: ExpectedVm, told: Seen, differ: Differ): void {
    const { cpus, cpusMax, memory, memoryMax } = vm;
    differ(
      `${address} shape`,
      { cpus: told.cpus, cpusMax: told.cpusMax, memory: told.memory, memoryMax: told.memoryMax, state: told.state },
      { cpus, cpusMax, memory, memoryMax, state: 'running' },
    );
    differ(`${address} command line`, told.cmdline.endsWith(vm.cmdline), true);
    const paths = this.#layout.vmPaths(address);
    differ(`${address} disks`, [...told.disks.keys()].sort(), [...Object.keys(vm.disks), 'sbx-seed'].sort());
    for (const [name, disk] of Object.entries(vm.disks)) {
      const seen = told.disks.get(name);
      const path = disk.volume === null ? join(paths.data, `disk-${name}.img`) : this.#layout.volumePath(disk.volume);
      differ(`${address} disk ${name}`, [seen?.path, seen?.readonly], [path, disk.readonly]);
      const known = (seen?.size ?? 0) / mebibyte;
      // A guest that only reads sees a larger volume when it boots.
      if (!disk.readonly || known === 0 || known > disk.size)
        differ(`${address} disk ${name} as the guest knows it`, known, disk.size);
      differ(
        `${address} disk ${name} file`,
        (statSync(path, { throwIfNoEntry: false })?.size ?? -1) / mebibyte,
        disk.size,
      );
    }
    const nics = Object.keys(vm.nics).sort();
    differ(
      `${address} NICs`,
      [...told.nics].map(([nic, { tap }]) => [nic, tap]).sort(),
      nics.map((nic) => [nic, tapName(address, nic)]),
    );
    this.#compareSeed(address, vm, told, textOf(join(paths.data, 'seed.img')), differ);
  }

  #compareSeed(address: Address, vm: ExpectedVm, told: Seen, seed: string, differ: Differ): void {
    differ(`${address} hostname`, tarMember(seed, 'hostname'), `${vm.hostname}\n`);
    const env = Object.entries(vm.env).map(([name, value]) => `${name}=${value}`);
    differ(`${address} environment`, tarMember(seed, 'environment').split('\n').filter(Boolean).sort(), env.sort());
    const lines = tarMember(seed, 'nics').split('\n').filter(Boolean);
    const macs = new Map(lines.map((line) => [line.split(' ')[0], line.split(' ')[1]?.split('/')[0]]));
    for (const [nic, { mac }] of told.nics) {
      const wanted = vm.nics[nic];
      const seen = macs.get(mac);
      differ(`${address} address on ${nic}`, seen === undefined ? 'none' : (wanted ?? seen), seen);
    }
    differ(`${address} cards`, macs.size, told.nics.size);
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one comparison after the other
  #compareLinks(expected: Expected, keeper: number, differ: Differ): void {
    const links = linksIn(keeper);
    const bridges = Object.keys(expected.networks).map((name) => bridgeName(name));
    differ(
      'bridges',
      links
        .filter((link) => link.ifname.startsWith('sbxb'))
        .map((link) => link.ifname)
        .sort(),
      [...bridges].sort(),
    );
    for (const [name, { subnet }] of Object.entries(expected.networks)) {
      const addresses = links.find((link) => link.ifname === bridgeName(name))?.addr_info ?? [];
      const seen = addresses
        .filter(({ family }) => family === 'inet')
        .map(({ local, prefixlen }) => `${local}/${prefixlen}`);
      if (subnet === null) differ(`${name} has one address`, seen.length, 1);
      else differ(`${name} address`, seen, [`10.70.${subnet}.1/24`]);
    }
    const taps = new Map<string, string>();
    for (const [address, vm] of Object.entries(expected.vms))
      for (const nic of Object.keys(vm.nics)) taps.set(tapName(address, nic), vm.running ? bridgeName(nic) : '');
    for (const link of links.filter(({ ifname }) => ifname.startsWith('sbxt')))
      if (!taps.has(link.ifname)) differ('a tap that nobody asked for', link.ifname, undefined);
    for (const [tap, bridge] of taps)
      if (bridge !== '') differ(`bridge of ${tap}`, links.find(({ ifname }) => ifname === tap)?.master, bridge);
  }

  #compareFiles(expected: Expected, differ: Differ): void {
    const sizes = filesIn(this.#layout.volumesDir).map((name) => [
      name,
      statSync(join(this.#layout.volumesDir, name)).size / mebibyte,
    ]);
    differ(
      'volumes',
      sizes.sort(),
      Object.entries(expected.volumes)
        .map(([name, size]) => [`${name}.raw`, size])
        .sort(),
    );
    const wanted = new Map(
      Object.entries(expected.vms).map(([address, vm]) => [this.#layout.vmPaths(address as Address).data, vm]),
    );
    for (const name of filesIn(join(this.#layout.dataDir, 'vms'))) {
      const vm = wanted.get(join(this.#layout.dataDir, 'vms', name));
      if (vm === undefined) differ('a folder of a VM that nobody asked for', name, undefined);
      const disks = filesIn(join(this.#layout.dataDir, 'vms', name)).filter((file) => file.startsWith('disk-'));
      for (const disk of disks)
        if (vm !== undefined && vm.disks[disk.slice(5, -4)] === undefined)
          differ(`a disk that nobody asked for in ${name}`, disk, undefined);
    }
    differ('journal', existsSync(this.#layout.journalPath), false);
  }

  #compareLease({ leaseHours }: Expected, differ: Differ): void {
    const text = textOf(join(this.#layout.runDir, 'lease')).trim();
    const left = text === '' ? null : Math.round((Number(text) - Date.now() / 1000) / 3600);
    differ('lease in hours', left, leaseHours);
  }
}

interface VmmsSeen {
  readonly expected: Expected;
  /** Pid of the process that keeps the namespace */
  readonly keeper: number;
  readonly vmms: readonly number[];
  readonly seen: ReadonlyMap<number, Seen>;
}

type Differ = (what: string, seen: unknown, wanted: unknown) => void;

function filesIn(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Text of a file, byte for byte; empty when there is none. */
function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'latin1') : '';
}

/** Content of a member of a tar archive that is read as Latin-1. */
function tarMember(archive: string, name: string): string {
  for (let at = 0; at + 512 <= archive.length; ) {
    const member = archive.slice(at, at + 100).replace(/\0.*$/s, '');
    if (member === '') return '';
    const size = Number.parseInt(archive.slice(at + 124, at + 135), 8);
    if (member === name) return Buffer.from(archive.slice(at + 512, at + 512 + size), 'latin1').toString('utf8');
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return '';
}

interface Link {
  readonly ifname: string;
  readonly master?: string;
  readonly addr_info?: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

function linksIn(pid: number): readonly Link[] {
  const user = process.getuid?.() === 0 ? [] : ['-U', '--preserve-credentials'];
  return JSON.parse(
    execFileSync('nsenter', [...user, '-n', '-t', String(pid), 'ip', '-j', 'addr', 'show'], { encoding: 'utf8' }),
  );
}

/** Which of these ports of 127.0.0.1 something listens on, as the kernel's tables say. */
function listening(ports: readonly string[]): readonly string[] {
  const tables = { tcp: readFileSync('/proc/net/tcp', 'utf8'), udp: readFileSync('/proc/net/udp', 'utf8') };
  return ports.filter((port) => {
    const [protocol = '', number = ''] = port.split('/');
    const hex = Number(number).toString(16).toUpperCase().padStart(4, '0');
    const state = protocol === 'tcp' ? '0A' : '07';
    return new RegExp(`0100007F:${hex} 00000000:0000 ${state}`).test(tables[protocol as 'tcp' | 'udp']);
  });
}
