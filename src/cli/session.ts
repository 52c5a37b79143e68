// One sandbox of this host as a command works on it: its home, paths, state, drivers. Opened once per command.
import { existsSync, realpathSync } from 'node:fs';
import { type Address, addressParts } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import type { Desired } from '../core/desired.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { SbxError } from '../core/errors.ts';
import type { Detected } from '../core/plan/capabilities.ts';
import type { VmRecord } from '../core/state/state.ts';
import type { KvmPolicy, KvmVerdict } from '../host/kvm.ts';
import type { KnownDigests } from '../images/user-files.ts';
import type { Shell } from '../kinds/shell.ts';
import {
  type Home,
  parseSandboxId,
  resolveHome,
  type SandboxLayout,
  type SandboxName,
  sandboxLayout,
} from '../store/home.ts';
import { keyedHash, readKey } from '../store/key.ts';
import { readKnown } from '../store/known-file.ts';
import { detectDrivers, type KnownVmms, openDrivers } from '../vmm/index.ts';
import { type Installation, installationOf } from './installation.ts';
import type { GlobalOptions } from './services.ts';

/** What a process is surrounded by: its environment, and the program that it runs. */
export interface Surroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly installation: Installation;
}

/** The surroundings of this very process. */
export function ownSurroundings(): Surroundings {
  return { environment: process.env, installation: installationOf(realpathSync(process.argv[1] ?? '.')) };
}

/** What all sandboxes of a command share. */
export interface Workplace {
  readonly options: GlobalOptions;
  readonly surroundings: Surroundings;
  readonly home: Home;
  readonly installation: Installation;
  /** Drivers of this host; looked for once, when first asked */
  readonly detected: () => Promise<readonly Detected[]>;
  /** The same, with KVM tried anew, and what came of that */
  readonly detectAfresh: () => Promise<{ readonly detected: readonly Detected[]; readonly kvm?: KvmVerdict }>;
  /** Tells whoever waits what takes so long, a line at a time */
  readonly tell: (line: string) => void;
  /** What was found out and is worth keeping; apply writes it */
  readonly known: { vmms?: KnownVmms; digests?: KnownDigests; changed: boolean };
}

/** Opens the home that the options name. Reads, writes nothing. */
export async function openWorkplace(
  options: GlobalOptions,
  surroundings: Surroundings,
  tell: Workplace['tell'] = () => undefined,
): Promise<Workplace> {
  const { environment, installation } = surroundings;
  if (!existsSync('/proc/self/stat'))
    throw new SbxError('SBX6007', 'Processes are found through /proc, and none is mounted there.', {
      hint: 'Mount it, as in:\nmount -t proc proc /proc',
    });
  const home = resolveHome({
    ...(options.home === undefined ? {} : { flag: options.home }),
    environment,
    uid: process.geteuid?.() ?? 0,
  });
  const read = await readKnown(home);
  // Both are compared with the host before they are believed.
  const known: Workplace['known'] = { changed: false };
  if (read['vmms'] !== undefined) known.vmms = read['vmms'] as KnownVmms;
  if (read['digests'] !== undefined) known.digests = read['digests'] as KnownDigests;
  let detected: Promise<readonly Detected[]> | undefined;
  const detect = (past: KnownVmms | undefined, told?: (verdict: KvmVerdict) => void): Promise<readonly Detected[]> =>
    detectDrivers({
      path: environment['PATH'] ?? '',
      kvmPolicy: kvmPolicy(environment['SBX_KVM']),
      kvmFirmware: installation.kvmFirmware,
      ...(past === undefined ? {} : { known: past }),
      ...(told === undefined ? {} : { told }),
      remember: (vmms) => {
        known.vmms = vmms;
        known.changed = true;
      },
    });
  return {
    options,
    surroundings,
    home,
    installation,
    detected: () => {
      detected ??= detect(known.vmms);
      return detected;
    },
    detectAfresh: async () => {
      let kvm: KvmVerdict | undefined;
      const found = await detect({ binaries: known.vmms?.binaries ?? {} }, (verdict) => {
        kvm = verdict;
      });
      return { detected: found, ...(kvm === undefined ? {} : { kvm }) };
    },
    tell,
    known,
  };
}

function kvmPolicy(text: string | undefined): KvmPolicy {
  return text === 'assume' || text === 'never' ? text : 'probe';
}

/** The sandbox that `--sandbox` names, when it is given. */
export function namedSandbox(options: GlobalOptions): Checked<SandboxName | undefined> {
  if (options.sandbox === undefined) return ok(undefined);
  const name = parseSandboxId(options.sandbox);
  if (name === undefined)
    return failed(
      diagnostic('SBX0001', {
        detail: `"${options.sandbox}" is not the name of a sandbox.`,
        hint: 'Write it as in shop or shop@pr-17.',
      }),
    );
  return ok(name);
}

/** Paths of a sandbox in this home. */
export function layoutOf(workplace: Workplace, sandbox: SandboxName): Checked<SandboxLayout> {
  return sandboxLayout(workplace.home, sandbox);
}

/** What providers share for one sandbox. Secrets come from the file, so that stopping and showing need none. */
export function shellOf(
  workplace: Workplace,
  layout: SandboxLayout,
  options: { readonly desired?: Desired; readonly wait: boolean },
): Shell {
  const { installation } = workplace;
  let drivers: Promise<ReturnType<typeof openDrivers>> | undefined;
  return {
    layout,
    driver: async (name) => {
      drivers ??= workplace.detected().then(openDrivers);
      return (await drivers)[name];
    },
    secrets: (address) => secretsOf(options.desired, address),
    hash: async (text) => {
      const key = await readKey(workplace.home);
      return key === undefined ? undefined : keyedHash(key, text);
    },
    images: { cacheDir: workplace.home.cache, recipesDir: installation.recipesDir },
    holderScript: installation.holderScript,
    expireArgv: expireArgv(workplace, layout),
    connectProbe: installation.connectProbe,
    wait: options.wait,
    wallClock: () => Date.now(),
  };
}

function secretsOf(desired: Desired | undefined, address: Address): ReadonlyMap<string, string> {
  const resource = desired?.resources.get(address);
  if (resource?.kind !== 'vm') return new Map();
  return new Map([...resource.env].flatMap(([name, text]) => (text.sensitive ? [[name, text.value] as const] : [])));
}

/** What the holder runs when the lease is over: the same sbx, in the same home, on the same sandbox, without its file. */
function expireArgv(workplace: Workplace, layout: SandboxLayout): readonly string[] {
  const kept = ['XDG_STATE_HOME', 'XDG_CACHE_HOME', 'SBX_KVM'].flatMap((name) => {
    const value = workplace.surroundings.environment[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
  const { home } = workplace.options;
  const words = [
    'destroy',
    '--auto-approve',
    '--lock-timeout',
    '10m',
    '--sandbox',
    layout.id,
    ...(home === undefined ? [] : ['--home', home]),
  ];
  return ['/usr/bin/env', ...kept, process.execPath, workplace.installation.program, ...words];
}

/** The recorded VM that a user means, by its address or the name of the only instance. */
export function findVm(records: readonly VmRecord[], address: Address): VmRecord | undefined {
  const exact = records.find((record) => record.address === address);
  if (exact !== undefined) return exact;
  const { name, key } = addressParts(address);
  const instances = key === undefined ? records.filter((record) => addressParts(record.address).name === name) : [];
  return instances.length === 1 ? instances[0] : undefined;
}
