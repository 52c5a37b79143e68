// From a model to a file without contradictions, and to what the host has to show once it is applied: worked out from the
// words of the file alone, without any code of sbx.
import type { FileModel, VmModel } from './generated-files.ts';

const instancesMax = 7;

/** A VM of the file with what is left of it. */
export interface SoundVm extends VmModel {
  readonly keys: readonly (string | null)[];
}

/** A model in which everything that is named is there and nothing is taken twice. */
export interface SoundFile extends Omit<FileModel, 'vms'> {
  readonly vms: Readonly<Record<string, SoundVm>>;
}

/** Leaves out what would contradict something else, or what was applied before: volumes do not shrink. */
// biome-ignore lint/complexity/noExcessiveCognitiveComplexity: one rule after the other
export function soundFile(given: FileModel, before?: SoundFile): SoundFile {
  const volumes = Object.entries(given.volumes).map(
    ([name, volume]) => [name, { ...volume, size: Math.max(volume.size, before?.volumes[name]?.size ?? 0) }] as const,
  );
  const file = { ...given, volumes: Object.fromEntries(volumes) };
  const taken = new Set<string>();
  const take = (key: string): boolean => !taken.has(key) && taken.add(key) !== undefined;
  let room = instancesMax;
  const declaredNetworks = separate(file.networks);
  const vms: Record<string, SoundVm> = {};
  for (const name of Object.keys(file.vms).sort()) {
    const vm = file.vms[name];
    if (vm === undefined) continue;
    const keys = keysOf(vm);
    if (keys.length > room) continue;
    room -= keys.length;
    const single = vm.form === 'single';
    const networks: Record<string, SoundVm['networks'][string]> = {};
    for (const [network, nic] of Object.entries(vm.networks)) {
      const declared = declaredNetworks[network];
      if (declared === undefined) continue;
      const fixed = single && declared.subnet !== null && nic.address !== null && take(`${network}/${nic.address}`);
      const ports = single && declared.mode === 'nat' ? nic.ports.filter((port) => take(hostEnd(port, name))) : [];
      networks[network] = { address: fixed ? nic.address : null, ports };
    }
    vms[name] = {
      ...vm,
      keys,
      networks,
      hostname: single ? vm.hostname : null,
      root: vm.image === 'bare' ? null : vm.root,
      volumes: Object.fromEntries(
        Object.entries(vm.volumes).filter(([, disk]) => file.volumes[disk.volume] !== undefined),
      ),
      dependsOn: Object.fromEntries(
        Object.entries(vm.dependsOn).filter(([other]) => other < name && vms[other] !== undefined),
      ),
      triggers: vm.triggers.filter((address) => isDeclared(file, address)),
      ignore: vm.ignore.filter((field) => !field.startsWith('env') || !hasSecrets(vm, before?.vms[name])),
    };
  }
  return { ...file, networks: declaredNetworks, vms: sharing(vms) };
}

/** A secret that is ignored stays until the next boot; when that comes is not worked out here. */
function hasSecrets(...vms: readonly (VmModel | undefined)[]): boolean {
  return vms.some((vm) => Object.values(vm?.env ?? {}).includes('${var.token}'));
}

function keysOf(vm: VmModel): readonly (string | null)[] {
  if (vm.form === 'single') return [null];
  return 'count' in vm.form ? Array.from({ length: vm.form.count }, (_, at) => String(at)) : vm.form.keys;
}

/** What a published port takes of the host; `auto` takes nothing that is known before. */
function hostEnd(port: string, vm: string): string {
  const [host = ''] = port.split(':');
  return host === 'auto' ? `auto ${vm}` : host;
}

function isDeclared(file: FileModel, address: string): boolean {
  const [kind, name = ''] = address.split('.');
  if (kind === 'network') return file.networks[name] !== undefined;
  return kind === 'volume' ? file.volumes[name] !== undefined : true;
}

/** Two networks with one subnet: the second one leaves it to sbx. */
function separate(networks: FileModel['networks']): FileModel['networks'] {
  const seen = new Set<number>();
  return Object.fromEntries(
    Object.entries(networks).map(([name, network]) => {
      const twice = network.subnet !== null && seen.has(network.subnet);
      if (network.subnet !== null) seen.add(network.subnet);
      return [name, twice ? { ...network, subnet: null } : network];
    }),
  );
}

/** A volume on more than one VM is read-only everywhere; one VM has it once. */
function sharing(vms: Readonly<Record<string, SoundVm>>): Readonly<Record<string, SoundVm>> {
  const users = new Map<string, number>();
  const once = Object.fromEntries(
    Object.entries(vms).map(([name, vm]) => {
      const seen = new Set<string>();
      const volumes = Object.entries(vm.volumes).filter(([, { volume }]) => !seen.has(volume) && seen.add(volume));
      for (const volume of seen) users.set(volume, (users.get(volume) ?? 0) + vm.keys.length);
      return [name, { ...vm, volumes: Object.fromEntries(volumes) }];
    }),
  );
  return Object.fromEntries(
    Object.entries(once).map(([name, vm]) => {
      const volumes = Object.entries(vm.volumes).map(
        ([disk, { volume, readonly }]) =>
          [disk, { volume, readonly: readonly || (users.get(volume) ?? 0) > 1 }] as const,
      );
      return [name, { ...vm, volumes: Object.fromEntries(volumes) }];
    }),
  );
}

/** What the images of a model are in a file. */
export type ImageTexts = Readonly<Record<VmModel['image'], object>>;

/** Files of a few bytes: the fake boots anything. */
export const fakeImages: ImageTexts = {
  own: { kernel: './vmlinuz', disk: './root.img' },
  other: { kernel: './vmlinuz', disk: './other.img', cmdline: 'quiet' },
  bare: { kernel: './vmlinuz', initrd: './initrd' },
};

/** Text of the file; JSON is YAML. Ports `P0`, `P1` … become `firstPort` and the ones after it. */
export function fileText(file: SoundFile, firstPort: number, images: ImageTexts = fakeImages): string {
  const used = new Set(Object.values(file.vms).map((vm) => vm.image));
  return JSON.stringify({
    version: 1,
    name: 'gen',
    ...(file.expires === null ? {} : { expires: file.expires }),
    variables: { token: { type: 'string', sensitive: true } },
    images: Object.fromEntries(Object.entries(images).filter(([name]) => name === 'own' || used.has(name as 'other'))),
    volumes: mapped(file.volumes, ({ size, protect }) => ({ size: `${size}MiB`, protect })),
    networks: mapped(file.networks, ({ mode, subnet }) => ({
      mode,
      ...(subnet === null ? {} : { subnet: `10.70.${subnet}.0/24` }),
    })),
    vms: mapped(file.vms, (vm) => vmText(vm, file.networks, firstPort)),
    outputs: { vms: Object.keys(file.vms).sort() },
  });
}

function mapped<T, W>(map: Readonly<Record<string, T>>, change: (value: T) => W): Readonly<Record<string, W>> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]));
}

function vmText(vm: SoundVm, networks: SoundFile['networks'], firstPort: number): object {
  const { form, cpus, memory, root, scratch, volumes } = vm;
  return {
    ...(form === 'single' ? {} : 'count' in form ? { count: form.count } : { for_each: form.keys }),
    image: vm.image,
    ...(vm.cmdline === null ? {} : { cmdline: vm.cmdline }),
    ...(vm.hostname === null ? {} : { hostname: vm.hostname }),
    cpus: cpus.room === 0 ? cpus.count : { count: cpus.count, max: cpus.count + cpus.room },
    memory:
      memory.room === 0 ? `${memory.size}MiB` : { size: `${memory.size}MiB`, max: `${memory.size + memory.room}MiB` },
    disks: {
      ...(root === null ? {} : { root: { size: `${root}MiB` } }),
      ...mapped(scratch, (size) => ({ size: `${size}MiB` })),
      ...mapped(volumes, ({ volume, readonly }) => ({ volume, ...(readonly ? { readonly } : {}) })),
    },
    networks: Object.fromEntries(
      Object.entries(vm.networks).map(([name, { address, ports }]) => {
        const text = ports.map((port) => port.replace(/^P(\d)/, (_, digit) => String(firstPort + Number(digit))));
        const fixed = address === null ? {} : { address: `10.70.${networks[name]?.subnet}.${address}` };
        return [name, { ...fixed, ports: text }];
      }),
    ),
    env: vm.env,
    ...(vm.ready ? { ready: { boot: true, timeout: '20s' } } : {}),
    depends_on: vm.dependsOn,
    state: vm.state,
    on_exit: vm.onExit,
    lifecycle: {
      prevent_destroy: vm.preventDestroy,
      ignore_changes: vm.ignore,
      replace_triggered_by: vm.triggers,
    },
  };
}

/** What the host has to show of one VM; sizes in MiB. */
export interface ExpectedVm {
  readonly running: boolean;
  readonly cpus: number;
  readonly cpusMax: number;
  readonly memory: number;
  readonly memoryMax: number;
  readonly cmdline: string;
  readonly hostname: string;
  readonly env: Readonly<Record<string, string>>;
  /** Least size: what a VM had before is never cut */
  readonly disks: Readonly<
    Record<string, { readonly size: number; readonly volume: string | null; readonly readonly: boolean }>
  >;
  readonly nics: Readonly<Record<string, string | null>>;
}

/** Everything that the host has to show. */
export interface Expected {
  readonly vms: Readonly<Record<string, ExpectedVm>>;
  readonly networks: SoundFile['networks'];
  readonly volumes: Readonly<Record<string, number>>;
  /** `tcp/31000` */
  readonly ports: readonly string[];
  readonly leaseHours: number | null;
}

/** What a file asks of a host that shows `before`; only `ignore_changes` looks back. */
export function expectedOf(file: SoundFile, firstPort: number, before: Expected | undefined): Expected {
  const vms: Record<string, ExpectedVm> = {};
  for (const [name, vm] of Object.entries(file.vms)) {
    for (const key of vm.keys) {
      const address = addressOf(name, vm, key);
      vms[address] = ignoring(vm.ignore, expectedVm(file, name, vm, key), before?.vms[address]);
    }
  }
  const ports = Object.values(file.vms).flatMap((vm) =>
    vm.keys.length === 0
      ? []
      : Object.values(vm.networks).flatMap((nic) => nic.ports.flatMap((port) => hostPort(port, firstPort))),
  );
  return {
    vms,
    networks: file.networks,
    volumes: mapped(file.volumes, ({ size }) => size),
    ports: ports.sort(),
    leaseHours: file.expires === null ? null : Number.parseInt(file.expires, 10),
  };
}

function addressOf(name: string, vm: SoundVm, key: string | null): string {
  if (key === null) return `vm.${name}`;
  return typeof vm.form === 'object' && 'count' in vm.form ? `vm.${name}[${key}]` : `vm.${name}["${key}"]`;
}

function hostPort(port: string, firstPort: number): readonly string[] {
  const fixed = /^P(\d):\d+(?:\/(udp))?$/.exec(port);
  return fixed === null ? [] : [`${fixed[2] ?? 'tcp'}/${firstPort + Number(fixed[1])}`];
}

function expectedVm(file: SoundFile, name: string, vm: SoundVm, key: string | null): ExpectedVm {
  const own = mapped(vm.scratch, (size) => ({ size, volume: null, readonly: false }));
  const root = vm.image === 'bare' ? {} : { root: { size: vm.root ?? 1, volume: null, readonly: false } };
  const volumes = mapped(vm.volumes, ({ volume, readonly }) => ({
    size: file.volumes[volume]?.size ?? 0,
    volume,
    readonly,
  }));
  return {
    running: vm.state === 'running',
    cpus: vm.cpus.count,
    cpusMax: vm.cpus.count + vm.cpus.room,
    memory: vm.memory.size,
    memoryMax: vm.memory.size + vm.memory.room,
    cmdline: vm.cmdline ?? '',
    hostname: vm.hostname ?? (key === null ? name : `${name}-${key}`),
    env: mapped(vm.env, (value) => (value === '${var.token}' ? file.token : value)),
    disks: { ...root, ...own, ...volumes },
    nics: Object.fromEntries(
      Object.entries(vm.networks).map(([network, { address }]) => [
        network,
        address === null ? null : `10.70.${file.networks[network]?.subnet}.${address}`,
      ]),
    ),
  };
}

/** What is ignored stays; a maximum is never below what is there. */
function ignoring(ignore: readonly string[], now: ExpectedVm, before: ExpectedVm | undefined): ExpectedVm {
  if (before === undefined) return now;
  const is = (...fields: readonly string[]): boolean => fields.some((field) => ignore.includes(field));
  const cpus = is('cpus', 'cpus.count') ? before.cpus : now.cpus;
  const memory = is('memory', 'memory.size') ? before.memory : now.memory;
  const { A: before_A } = before.env;
  const { A: _now_A, ...others } = now.env;
  const env = is('env')
    ? before.env
    : is('env.A')
      ? { ...others, ...(before_A === undefined ? {} : { A: before_A }) }
      : now.env;
  return {
    ...now,
    cpus,
    cpusMax: Math.max(cpus, is('cpus') ? before.cpusMax : now.cpusMax),
    memory,
    memoryMax: Math.max(memory, is('memory') ? before.memoryMax : now.memoryMax),
    env,
    hostname: is('hostname') ? before.hostname : now.hostname,
    cmdline: is('cmdline') ? before.cmdline : now.cmdline,
  };
}
