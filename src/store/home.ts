// Where everything lives: the home of a user and the paths of one sandbox in it. Makes no folder and reads no file.
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { type Address, addressParts } from '../core/address.ts';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { sha256Hex } from '../core/sha256.ts';
import type { VmPaths } from '../vmm/driver.ts';

/** The three roots of a home, absolute. With `--home` the other two lie inside the first. */
export interface Home {
  /** States, disks, volumes, keys: what must last */
  readonly state: string;
  /** Sockets, pid files; short */
  readonly run: string;
  /** Images: may be deleted and made again */
  readonly cache: string;
}

export interface HomeRequest {
  /** Value of `--home` */
  readonly flag?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
}

/**
 * The home: `--home`, else SBX_HOME, else the system's folders for root and the XDG folders for others.
 * XDG_RUNTIME_DIR is not used: it may go at logout while VMs live.
 */
export function resolveHome(request: HomeRequest): Home {
  const { environment, uid } = request;
  const single = request.flag ?? (environment['SBX_HOME'] || undefined);
  if (single !== undefined) return underOneFolder(resolve(single));
  if (uid === 0) return { state: '/var/lib/sbx', run: '/run/sbx', cache: '/var/cache/sbx' };
  const user = environment['HOME'] || homedir();
  const state = join(xdg(environment['XDG_STATE_HOME']) ?? join(user, '.local/state'), 'sbx');
  return {
    state,
    run: join(state, 'run'),
    cache: join(xdg(environment['XDG_CACHE_HOME']) ?? join(user, '.cache'), 'sbx'),
  };
}

function underOneFolder(folder: string): Home {
  return { state: folder, run: join(folder, 'run'), cache: join(folder, 'cache') };
}

/** The XDG Base Directory Specification 0.8 wants relative values ignored. */
function xdg(value: string | undefined): string | undefined {
  return value !== undefined && isAbsolute(value) ? value : undefined;
}

/** Cache of images. */
export function imagesDir(home: Home): string {
  return join(home.cache, 'images');
}

/** Folder of state files, journals and locks. */
export function statesDir(home: Home): string {
  return join(home.state, 'state');
}

/** What sandboxes of a home share: reserved ports. */
export function hostFilePath(home: Home): string {
  return join(home.state, 'host.json');
}

/** Secret of this home, for keyed hashes and saved plans. */
export function planKeyPath(home: Home): string {
  return join(home.state, 'key');
}

/** A sandbox as users name it. */
export interface SandboxName {
  readonly name: string;
  readonly instance?: string;
}

/** Every path of one instance of a sandbox; nothing exists because it is named here. */
export interface SandboxLayout extends SandboxName {
  readonly home: Home;
  /** `shop` or `shop@pr-17`; unique in the home */
  readonly id: string;
  /** 10 hex digits from home and id: the mark in names of links and tables, and the name of `runDir` */
  readonly mark: string;
  readonly statePath: string;
  readonly journalPath: string;
  readonly lockPath: string;
  /** Room for the journal of its removal, see reserve.ts */
  readonly reservePath: string;
  readonly backupsDir: string;
  /** Disks, seeds, logs and keys; goes with the sandbox */
  readonly dataDir: string;
  /** Sockets and pid files; goes with the sandbox */
  readonly runDir: string;
  /** Volumes; outlives the sandbox */
  readonly volumesDir: string;
  /** ssh keys of this sandbox */
  readonly keysDir: string;
  readonly leasePath: string;
  readonly uplinkSocket: string;
  readonly vmPaths: (address: Address) => VmPaths;
  /** Raw file of a volume, by the name in the file */
  readonly volumePath: (name: string) => string;
}

const namePattern = /^[a-z][a-z0-9-]{0,30}$/;
const instancePattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$/;
/**
 * What a path would mean something by: the end of an option or a list in those of Cloud Hypervisor and QEMU, a variable in
 * those of ssh, the end of a line or of a text. Everything else, blanks included, is a name like any other.
 */
const syntax = /[\u0000-\u001f\u007f,"[\]]|\$\{/;
const socketLimit = 100;
/** `/` + 8 hex of the VM + `/` + the longest socket name in use, `vsock.sock_65535` */
const socketRoom = 1 + 8 + 1 + 16;

/** Whether a text may be the name of an instance. */
export function isInstanceName(text: string): boolean {
  return instancePattern.test(text);
}

/** Paths of a sandbox. Names are checked again (SBX4009), since they become paths; SBX4007 when sockets would not fit, SBX4012 when the home is no plain name. */
export function sandboxLayout(home: Home, sandbox: SandboxName): Checked<SandboxLayout> {
  const { name, instance } = sandbox;
  if (!namePattern.test(name) || (instance !== undefined && !isInstanceName(instance))) return failed(badName(sandbox));
  const id = instance === undefined ? name : `${name}@${instance}`;
  const mark = hex(`${home.state}\0${id}`, 10);
  const runDir = join(home.run, mark);
  const longest = Buffer.byteLength(runDir) + socketRoom;
  if (longest > socketLimit) return failed(tooLong(home, longest));
  const odd = [home.state, home.run, home.cache].find((path) => syntax.test(path));
  if (odd !== undefined) return failed(oddHome(odd));
  const states = statesDir(home);
  const dataDir = join(home.state, 'data', id);
  const volumesDir = join(home.state, 'volumes', id);
  return ok({
    home,
    name,
    ...(instance === undefined ? {} : { instance }),
    id,
    mark,
    statePath: join(states, `${id}.json`),
    journalPath: join(states, `${id}.journal`),
    lockPath: join(states, `${id}.lock`),
    reservePath: join(states, `${id}.reserve`),
    backupsDir: join(home.state, 'backups', id),
    dataDir,
    runDir,
    volumesDir,
    keysDir: join(dataDir, 'keys'),
    leasePath: join(dataDir, 'lease'),
    uplinkSocket: join(runDir, 'uplink.sock'),
    vmPaths: (address) => ({ run: join(runDir, hex(address, 8)), data: join(dataDir, 'vms', folderName(address)) }),
    volumePath: (volume) => join(volumesDir, `${plainWord(volume)}.raw`),
  });
}

/** The name of a sandbox from its id, or undefined when it is none. */
export function parseSandboxId(id: string): SandboxName | undefined {
  const at = id.indexOf('@');
  const name = at === -1 ? id : id.slice(0, at);
  const instance = at === -1 ? undefined : id.slice(at + 1);
  if (!namePattern.test(name) || (instance !== undefined && !isInstanceName(instance))) return undefined;
  return instance === undefined ? { name } : { name, instance };
}

/** Readable for people, unique by the hash: keys of for_each may hold anything. */
function folderName(address: Address): string {
  const { name, key } = addressParts(address);
  const readable = key === undefined ? name : `${name}.${key}`;
  return `${plainWord(readable)}-${hex(address, 8)}`;
}

function plainWord(text: string): string {
  return text
    .replaceAll(/[^A-Za-z0-9_.-]/g, '_')
    .replace(/^\.+/, '_')
    .slice(0, 60);
}

function hex(text: string, digits: number): string {
  return sha256Hex(text).slice(0, digits);
}

function badName({ name, instance }: SandboxName) {
  return diagnostic('SBX4009', {
    detail: `${JSON.stringify(instance === undefined ? name : `${name}@${instance}`)} cannot name a sandbox.`,
    hint: 'A name is a lower-case letter followed by at most 30 of a-z, 0-9 and -; an instance also takes A-Z, _ and .',
  });
}

function oddHome(path: string) {
  return diagnostic('SBX4012', {
    detail: `${JSON.stringify(path)} holds a comma, a quote, a bracket, \${ or a control character, which VMMs and ssh read as syntax.`,
    hint: 'Choose another home with --home or SBX_HOME.',
  });
}

function tooLong(home: Home, bytes: number) {
  return diagnostic('SBX4007', {
    detail: `Sockets below ${home.run} would have paths of ${bytes} bytes; ${socketLimit} is the most that is safe.`,
    hint: `Choose a shorter home with --home or SBX_HOME: its path may have ${socketLimit - socketRoom - 11 - 4} bytes.`,
  });
}
