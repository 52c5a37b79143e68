// Generated sandbox files: a plain model, edits that lead from one file to the next, and the text of a model. Every model
// has a valid text: what would contradict itself is left out on the way.
import fc from 'fast-check';
import { secretMark } from './told.ts';

/** A VM of a model; sizes in MiB. */
export interface VmModel {
  readonly form: 'single' | { readonly count: number } | { readonly keys: readonly string[] };
  /** `own` and `other` bring a disk, `bare` has none */
  readonly image: 'own' | 'other' | 'bare';
  readonly cmdline: string | null;
  readonly hostname: string | null;
  readonly cpus: { readonly count: number; readonly room: number };
  readonly memory: { readonly size: number; readonly room: number };
  readonly root: number | null;
  readonly scratch: Readonly<Record<string, number>>;
  readonly volumes: Readonly<Record<string, { readonly volume: string; readonly readonly: boolean }>>;
  readonly networks: Readonly<Record<string, { readonly address: number | null; readonly ports: readonly string[] }>>;
  readonly env: Readonly<Record<string, string>>;
  readonly ready: boolean;
  readonly state: 'running' | 'stopped';
  readonly onExit: 'restart' | 'keep';
  /** Names of VMs; only earlier ones count */
  readonly dependsOn: Readonly<Record<string, 'started' | 'ready'>>;
  readonly preventDestroy: boolean;
  readonly ignore: readonly string[];
  readonly triggers: readonly string[];
}

export interface NetworkModel {
  readonly mode: 'nat' | 'isolated';
  /** Third number of its subnet 10.70.N.0/24; null leaves it to sbx */
  readonly subnet: number | null;
}

export interface VolumeModel {
  readonly size: number;
  readonly protect: boolean;
}

export interface FileModel {
  readonly expires: string | null;
  /** Value of the sensitive variable `token` */
  readonly token: string;
  readonly networks: Readonly<Record<string, NetworkModel>>;
  readonly volumes: Readonly<Record<string, VolumeModel>>;
  readonly vms: Readonly<Record<string, VmModel>>;
}

/** One way to change a file. */
export type Edit =
  | { readonly edit: 'vm-field'; readonly at: number; readonly fields: Partial<VmModel> }
  | { readonly edit: 'vm-put'; readonly name: string; readonly vm: VmModel }
  | { readonly edit: 'vm-remove'; readonly at: number }
  | { readonly edit: 'vm-rename'; readonly at: number; readonly name: string }
  | { readonly edit: 'network'; readonly name: string; readonly network: NetworkModel | null }
  | { readonly edit: 'volume'; readonly name: string; readonly volume: VolumeModel | null }
  | { readonly edit: 'grow'; readonly name: string }
  | { readonly edit: 'expires'; readonly expires: string | null }
  | { readonly edit: 'token'; readonly token: string }
  | { readonly edit: 'another-file'; readonly file: FileModel };

const vmNames = ['a', 'b', 'c', 'd', 'e', 'f'];
const networkNames = ['lan', 'dmz', 'wan'];
const volumeNames = ['v0', 'v1', 'v2'];
const ignorable = [
  'cpus.count',
  'cpus',
  'memory.size',
  'memory',
  'env',
  'env.A',
  'hostname',
  'cmdline',
  'on_exit',
  'ready',
];

const oneOf = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values);

/** At most `most` entries, keys out of a few. */
function some<T>(keys: readonly string[], value: fc.Arbitrary<T>, most: number): fc.Arbitrary<Record<string, T>> {
  return fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: most });
}

const fields = {
  form: fc.oneof(
    { weight: 5, arbitrary: fc.constant<VmModel['form']>('single') },
    { weight: 1, arbitrary: fc.record({ count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ keys: fc.subarray(['x', 'y', 'z1'], { minLength: 1 }) }) },
  ),
  image: oneOf<VmModel['image']>('own', 'own', 'other', 'bare'),
  cmdline: oneOf(null, 'quiet', 'panic=1 quiet'),
  hostname: oneOf(null, 'host-1', 'Box'),
  cpus: fc.record({ count: fc.integer({ min: 1, max: 4 }), room: oneOf(0, 0, 1, 4) }),
  memory: fc.record({ size: oneOf(96, 128, 130, 256, 384), room: oneOf(0, 0, 2, 128, 512) }),
  root: oneOf(null, 1, 2, 4),
  scratch: some(['s0', 's1'], oneOf(1, 2, 3), 2),
  volumes: some(['d0', 'd1'], fc.record({ volume: fc.constantFrom(...volumeNames), readonly: fc.boolean() }), 2),
  networks: some(
    networkNames,
    fc.record({
      address: oneOf(null, 10, 11, 12),
      ports: fc.subarray(['P0:80', 'P1:80/udp', 'P2:81', 'auto:82'], { maxLength: 2 }),
    }),
    2,
  ),
  env: some(['A', 'B', 'TOKEN'], oneOf('1', "it's", 'two words', '', '$HOME "x"', '${var.token}'), 2),
  ready: fc.boolean(),
  state: oneOf<VmModel['state']>('running', 'running', 'running', 'stopped'),
  onExit: oneOf<VmModel['onExit']>('restart', 'keep'),
  dependsOn: some(vmNames, oneOf<'started' | 'ready'>('started', 'ready'), 2),
  preventDestroy: fc.constant(false) as fc.Arbitrary<boolean>,
  ignore: fc.oneof(
    { weight: 4, arbitrary: fc.constant<readonly string[]>([]) },
    { weight: 1, arbitrary: fc.subarray(ignorable, { maxLength: 2 }) },
  ),
  triggers: fc.oneof(
    { weight: 6, arbitrary: fc.constant<readonly string[]>([]) },
    { weight: 1, arbitrary: fc.subarray(['network.lan', 'volume.v0', 'image.own'], { maxLength: 1 }) },
  ),
} satisfies { readonly [K in keyof VmModel]: fc.Arbitrary<VmModel[K]> };

const vm: fc.Arbitrary<VmModel> = fc.record(fields);
const network: fc.Arbitrary<NetworkModel> = fc.record({
  mode: oneOf<NetworkModel['mode']>('isolated', 'isolated', 'nat'),
  subnet: oneOf(null, 1, 2, 3),
});
const volume: fc.Arbitrary<VolumeModel> = fc.record({ size: oneOf(1, 2, 3), protect: fc.constant(false) });

/** A whole file: one to five VMs. */
export const fileModel: fc.Arbitrary<FileModel> = fc.record({
  expires: oneOf(null, '1h', '2h'),
  token: oneOf(`${secretMark}-a`, `${secretMark}-b`),
  networks: some(networkNames, network, 2),
  volumes: some(volumeNames, volume, 2),
  vms: fc.dictionary(fc.constantFrom(...vmNames), vm, { minKeys: 1, maxKeys: 5 }),
});

/** Fields of a VM by themselves, so that each impact occurs alone, too. */
const vmField: fc.Arbitrary<Partial<VmModel>> = fc.oneof(
  ...Object.entries(fields).map(([name, value]) =>
    (value as fc.Arbitrary<unknown>).map((given) => ({ [name]: given })),
  ),
);

/** One edit; those that a running VM takes live are the most frequent. */
export const edit: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ edit: fc.constant('vm-field' as const), at: fc.nat(9), fields: vmField }) },
  { weight: 2, arbitrary: fc.record({ edit: fc.constant('vm-put' as const), name: fc.constantFrom(...vmNames), vm }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('vm-remove' as const), at: fc.nat(9) }) },
  {
    weight: 1,
    arbitrary: fc.record({ edit: fc.constant('vm-rename' as const), at: fc.nat(9), name: fc.constantFrom(...vmNames) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      edit: fc.constant('network' as const),
      name: fc.constantFrom(...networkNames),
      network: fc.option(network, { freq: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      edit: fc.constant('volume' as const),
      name: fc.constantFrom(...volumeNames),
      volume: fc.option(volume, { freq: 4 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ edit: fc.constant('grow' as const), name: fc.constantFrom(...volumeNames) }) },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('expires' as const), expires: oneOf(null, '1h', '2h') }) },
  {
    weight: 1,
    arbitrary: fc.record({
      edit: fc.constant('token' as const),
      token: oneOf(`${secretMark}-a`, `${secretMark}-b`, `${secretMark}-c`),
    }),
  },
  { weight: 1, arbitrary: fc.record({ edit: fc.constant('another-file' as const), file: fileModel }) },
);

/** The file after an edit. */
export function edited(file: FileModel, change: Edit): FileModel {
  switch (change.edit) {
    case 'vm-field': {
      const name = nameAt(file, change.at);
      const before = name === undefined ? undefined : file.vms[name];
      if (name === undefined || before === undefined) return file;
      return { ...file, vms: { ...file.vms, [name]: { ...before, ...change.fields } } };
    }
    case 'vm-put':
      return { ...file, vms: { ...file.vms, [change.name]: change.vm } };
    case 'vm-remove':
      return { ...file, vms: without(file.vms, nameAt(file, change.at)) };
    case 'vm-rename': {
      const name = nameAt(file, change.at);
      const moved = name === undefined ? undefined : file.vms[name];
      return moved === undefined ? file : { ...file, vms: { ...without(file.vms, name), [change.name]: moved } };
    }
    case 'network':
      return { ...file, networks: withOrWithout(file.networks, change.name, change.network) };
    case 'volume':
      return { ...file, volumes: withOrWithout(file.volumes, change.name, change.volume) };
    case 'grow': {
      const grown = file.volumes[change.name];
      if (grown === undefined) return file;
      return { ...file, volumes: { ...file.volumes, [change.name]: { ...grown, size: grown.size + 1 } } };
    }
    case 'expires':
      return { ...file, expires: change.expires };
    case 'token':
      return { ...file, token: change.token };
    case 'another-file':
      return change.file;
  }
}

function nameAt(file: FileModel, at: number): string | undefined {
  const names = Object.keys(file.vms);
  return names[at % Math.max(1, names.length)];
}

function without<T>(map: Readonly<Record<string, T>>, name: string | undefined): Readonly<Record<string, T>> {
  return Object.fromEntries(Object.entries(map).filter(([key]) => key !== name));
}

function withOrWithout<T>(
  map: Readonly<Record<string, T>>,
  name: string,
  value: T | null,
): Readonly<Record<string, T>> {
  return value === null ? without(map, name) : { ...map, [name]: value };
}

/** A file and the ones after it. */
export interface Chain {
  readonly first: FileModel;
  readonly edits: readonly (readonly Edit[])[];
}

/** Chains of `length` files: neighbours are pairs, and most pairs differ in little. They shrink to files that stay as they are. */
export function chains(length: number): fc.Arbitrary<Chain> {
  const edits = fc.array(edit, { minLength: 1, maxLength: 3, size: 'max' });
  return fc.record({
    first: fileModel,
    edits: fc.array(edits, { minLength: length - 1, maxLength: length - 1 }),
  });
}

/** The files of a chain. */
export function filesOf({ first, edits }: Chain): readonly FileModel[] {
  const files = [first];
  let file = first;
  for (const changes of edits) {
    file = changes.reduce(edited, file);
    files.push(file);
  }
  return files;
}
