// One chain of files in which everything changes that can change while a VM runs, and then what needs a restart.
import type { FileModel, VmModel } from './generated-files.ts';

const vm: VmModel = {
  ...{ form: 'single', image: 'own', cmdline: 'quiet', hostname: 'web', root: 2, env: { A: '1' }, ready: true },
  ...{ cpus: { count: 1, room: 3 }, memory: { size: 128, room: 130 }, scratch: { s0: 1 }, state: 'running' },
  ...{ volumes: { d0: { volume: 'v0', readonly: false } }, networks: { lan: { address: 10, ports: ['P0:80'] } } },
  ...{ onExit: 'restart', dependsOn: {}, preventDestroy: false, ignore: [], triggers: [] },
};
const first: FileModel = {
  expires: '1h',
  token: 'Hunter2',
  networks: { lan: { mode: 'nat', subnet: 1 } },
  volumes: { v0: { size: 2, protect: false }, v1: { size: 1, protect: false } },
  vms: { a: vm, b: { ...vm, image: 'bare', root: null, volumes: {}, networks: {}, dependsOn: { a: 'ready' } } },
};
const others: readonly VmModel[] = [
  { ...vm, cpus: { count: 3, room: 1 } },
  { ...vm, cpus: { count: 3, room: 1 }, memory: { size: 256, room: 2 } },
  {
    ...vm,
    root: 4,
    scratch: { s0: 2, s1: 1 },
    volumes: { d0: { volume: 'v0', readonly: false }, d1: { volume: 'v1', readonly: true } },
  },
  { ...vm, root: 4, scratch: {}, volumes: {} },
  { ...vm, root: 4, scratch: {}, volumes: {}, env: { A: '2' }, cmdline: null },
];

/** The files, to be applied one over the other. */
export const liveChanges: readonly FileModel[] = [
  first,
  ...others.map((a) => ({
    ...first,
    volumes: { ...first.volumes, v0: { size: 3, protect: false } },
    vms: { ...first.vms, a },
  })),
];
