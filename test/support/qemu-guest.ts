// A guest under plain QEMU emulation, started by hand: the tiny image without any driver of sbx in between.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { BuiltImage } from '../../src/images/cache.ts';
import { askQmp, openSocket } from './qmp.ts';

export interface GuestDisk {
  readonly serial: string;
  readonly path: string;
}

export interface QemuGuest {
  readonly folder: string;
  readonly sshPort: number;
  readonly openAgent: () => Promise<Socket>;
  readonly qmp: (execute: string, args?: object) => Promise<unknown>;
  readonly serial: () => string;
  readonly startedAt: number;
  readonly exited: Promise<number>;
  readonly kill: () => Promise<void>;
}

/** Starts QEMU under TCG with a virtio-serial agent port, user network and virtio-mem. */
export async function startQemuGuest(
  image: BuiltImage,
  options: { readonly seed?: Uint8Array; readonly disks?: readonly GuestDisk[]; readonly mac: string },
): Promise<QemuGuest> {
  const folder = mkdtempSync(join(tmpdir(), 'sbxq-'));
  const ram = join(folder, 'ram');
  mkdirSync(ram);
  const disks = [...(options.disks ?? [])];
  if (options.seed !== undefined) {
    writeFileSync(join(folder, 'seed.img'), options.seed, { mode: 0o600 });
    disks.push({ serial: 'sbx-seed', path: join(folder, 'seed.img') });
  }
  const sshPort = await freePort();
  const startedAt = performance.now();
  const child = spawn('qemu-system-x86_64', argv(image, folder, ram, disks, options.mac, sshPort), {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const exited = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 128)));
  const qmp = askQmp(join(folder, 'qmp'));
  return {
    folder,
    sshPort,
    startedAt,
    openAgent: () => openSocket(join(folder, 'ga')),
    qmp,
    serial: () => readFileSync(join(folder, 'serial'), 'utf8'),
    exited,
    kill: () => killGuest(child, exited, folder),
  };
}

async function killGuest(child: ChildProcess, exited: Promise<number>, folder: string): Promise<void> {
  child.kill('SIGKILL');
  await exited;
  rmSync(folder, { recursive: true, force: true });
}

function argv(
  image: BuiltImage,
  folder: string,
  ram: string,
  disks: readonly GuestDisk[],
  mac: string,
  sshPort: number,
): readonly string[] {
  const socket = (id: string): string => `socket,id=${id},path=${join(folder, id)},server=on,wait=off`;
  const drives = disks.flatMap(({ serial, path }, index) => [
    '-blockdev',
    JSON.stringify({ driver: 'raw', 'node-name': `d${index}`, file: { driver: 'file', filename: path } }),
    '-device',
    `virtio-blk-pci,drive=d${index},serial=${serial},num-queues=1,bus=hp,addr=${index + 8}`,
  ]);
  return [
    ...['-machine', 'q35,memory-backend=ram', '-accel', 'tcg', '-cpu', 'max', '-smp', '1,maxcpus=4'],
    ...['-m', 'size=192M,maxmem=1G'],
    ...['-object', `memory-backend-file,id=ram,size=192M,mem-path=${ram},share=on`],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    ...['-chardev', socket('qmp'), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `file,id=ser,path=${join(folder, 'serial')}`, '-serial', 'chardev:ser'],
    ...['-kernel', image.kernel, ...(image.initrd === undefined ? [] : ['-initrd', image.initrd])],
    ...['-append', `${image.cmdline} console=ttyS0`],
    ...['-device', 'pcie-pci-bridge,id=hp', '-device', 'virtio-serial-pci,id=vs'],
    ...['-chardev', socket('ga')],
    ...['-device', 'virtserialport,id=ga0,bus=vs.0,nr=1,chardev=ga,name=org.qemu.guest_agent.0'],
    ...['-device', 'virtio-rng-pci,id=rng0', '-device', 'pvpanic-pci,id=pv0'],
    ...['-object', 'memory-backend-ram,id=hot,size=832M'],
    ...['-device', 'virtio-mem-pci,id=mem0,memdev=hot,requested-size=0,bus=hp,addr=1'],
    ...['-netdev', `user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:${sshPort}-10.0.2.15:22`],
    ...['-object', `filter-dump,id=dump0,netdev=net0,file=${join(folder, 'net0.pcap')}`],
    ...['-device', `virtio-net-pci,id=dev-net0,netdev=net0,mac=${mac},romfile=,bus=hp,addr=3`],
    ...drives,
  ];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const at = server.address();
      server.close(() => resolve(typeof at === 'object' && at !== null ? at.port : 0));
    });
  });
}

/** Repeats a question until its answer satisfies, or fails after `timeoutMs` with the last answer. */
export async function until<T>(
  ask: () => Promise<T>,
  satisfies: (value: T) => boolean,
  timeoutMs = 60_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await ask();
    if (satisfies(value)) return value;
    if (performance.now() > end) throw new Error(`still ${JSON.stringify(value).slice(-2000)} after ${timeoutMs} ms`);
    await delay(30);
  }
}
