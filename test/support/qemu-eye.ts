// What a QEMU has: its command line in /proc for what is fixed, and its own answers over QMP for what changes.
import { readFileSync } from 'node:fs';
import { askQmp } from './qmp.ts';
import type { Seen, VmmEye } from './vmm-eye.ts';

const mebibyte = 1024 * 1024;

export const qemuEye: VmmEye = {
  isVmm: (words) => /\/qemu-system-x86_64$/.test(words[0] ?? ''),
  look: async (pids) => {
    const seen = await Promise.all(pids.map(async (pid) => [pid, await seenOf(pid)] as const));
    return new Map(seen);
  },
};

interface Block {
  readonly qdev?: string;
  readonly inserted?: {
    readonly file: string;
    readonly ro: boolean;
    readonly image: { readonly 'virtual-size': number };
  };
}

async function seenOf(pid: number): Promise<Seen> {
  const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  const ask = askQmp(match(words, /^socket,id=qmp,path=([^,]+)/) ?? '');
  const { status } = (await ask('query-status')) as { status: string };
  const cpus = (await ask('query-cpus-fast')) as readonly unknown[];
  const memory = (await ask('query-memory-size-summary')) as Record<string, number>;
  const blocks = (await ask('query-block')) as readonly Block[];
  const size = Number(match(words, /^size=(\d+)B/)) / mebibyte;
  const hot = match(words, /^memory-backend-ram,id=hot-(\d+),/);
  return {
    cpus: cpus.length,
    cpusMax: Number(match(words, /^\d+,maxcpus=(\d+)$/)),
    memory: ((memory['base-memory'] ?? 0) + (memory['plugged-memory'] ?? 0)) / mebibyte,
    memoryMax: hot === undefined ? size : Number(hot) / mebibyte,
    cmdline: words[words.indexOf('-append') + 1] ?? '',
    state: status === 'running' ? 'running' : 'created',
    disks: new Map(blocks.flatMap(diskOf)),
    nics: new Map(words.flatMap((word) => nicOf(word, words))),
  };
}

function match(words: readonly string[], pattern: RegExp): string | undefined {
  for (const word of words) {
    const found = pattern.exec(word);
    if (found !== null) return found[1];
  }
  return undefined;
}

function diskOf({
  qdev,
  inserted,
}: Block): readonly (readonly [string, { path: string; readonly: boolean; size: number }])[] {
  const name = /\/disk-([^/]+)/.exec(qdev ?? '')?.[1];
  if (name === undefined || inserted === undefined) return [];
  return [[name, { path: inserted.file, readonly: inserted.ro, size: inserted.image['virtual-size'] }]];
}

function nicOf(word: string, words: readonly string[]): readonly (readonly [string, { tap: string; mac: string }])[] {
  const [, name = '', mac = ''] = /^virtio-net-pci,id=nic-([^,]+),.*mac=([^,]+)/.exec(word) ?? [];
  if (name === '') return [];
  return [[name, { tap: match(words, new RegExp(`^tap,id=net-${name},ifname=([^,]+)`)) ?? '', mac }]];
}
