// From the attributes of a VM to what a driver starts: images become files, networks taps, the seed a disk.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Address, shortName } from '../../core/address.ts';
import { SbxError } from '../../core/errors.ts';
import { tapName, uplink } from '../../core/link-names.ts';
import type { Connectivity, VmAttrs } from '../../core/state/attrs.ts';
import type { ImageRecord, NetworkRecord } from '../../core/state/state.ts';
import type { StepContext } from '../../engine/provider.ts';
import { readGuestKeys } from '../../guest/sandbox-keys.ts';
import { readSeedEnv, type SeedContent, type SeedNic, seedDiskId } from '../../guest/seed.ts';
import { type BuiltImage, ensureImage } from '../../images/cache.ts';
import type { DiskSpec, NicSpec, VmmDriver, VmPaths, VmSpec } from '../../vmm/driver.ts';
import { connectivityIn, type Shell } from '../shell.ts';

/** Path of a disk that lives and dies with its VM. */
export function ownDiskPath(paths: VmPaths, disk: string): string {
  return join(paths.data, `disk-${disk}.img`);
}

/** Path of the seed of a VM. */
export function seedPath(paths: VmPaths): string {
  return join(paths.data, 'seed.img');
}

/** The image that a VM boots from, as recorded; it is in the cache or its files are there. */
export async function imageOf(address: Address, shell: Shell, context: StepContext): Promise<BuiltImage> {
  const record = context.record(address);
  if (record?.kind !== 'image') throw new SbxError('SBX7001', `${address} is not recorded`);
  const { source, digest }: ImageRecord['attrs'] = record.attrs;
  const { progress, signal } = context;
  return await ensureImage(source, { ...shell.images, digest, onProgress: progress, signal });
}

/** Everything a driver needs to start a VM. */
export async function specOf(
  address: Address,
  attrs: VmAttrs,
  driver: VmmDriver,
  shell: Shell,
  context: StepContext,
): Promise<VmSpec> {
  const { layout } = shell;
  const paths = layout.vmPaths(address);
  const image = await imageOf(attrs.image, shell, context);
  const connectivity = connectivityIn(context);
  const seed: DiskSpec = { id: seedDiskId, path: seedPath(paths), format: 'raw', readonly: true };
  return {
    name: `sbx-${layout.id}-${shortName(address)}`.replace(/[^A-Za-z0-9_.@-]+/g, '.').slice(0, 100),
    uuid: uuidOf(layout.mark, address),
    paths,
    kernel: image.kernel,
    ...(image.initrd === undefined ? {} : { initrd: image.initrd }),
    cmdline: [driver.consoleCmdline, image.cmdline, attrs.cmdline].filter((words) => words !== '').join(' '),
    cpus: attrs.cpus,
    memory: attrs.memory,
    disks: [...diskSpecs(address, attrs, shell), seed],
    nics: Object.keys(attrs.nics).map((nic) => nicSpec(address, nic, attrs, connectivity)),
  };
}

/** The same VM always has the same UUID: version 8 of RFC 9562, from a hash. */
function uuidOf(mark: string, address: Address): string {
  const hex = createHash('sha256').update(`${mark} ${address}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** Disks with the root first, since many kernels call the first one vda. */
function diskSpecs(address: Address, attrs: VmAttrs, shell: Shell): readonly DiskSpec[] {
  const names = Object.keys(attrs.disks).sort((a, b) => rank(attrs, a) - rank(attrs, b));
  return names.map((name) => diskSpec(address, name, attrs, shell));
}

function rank(attrs: VmAttrs, name: string): number {
  return attrs.disks[name]?.type === 'root' ? 0 : 1;
}

/** One disk of a VM; all are raw, those from an image are made so. */
export function diskSpec(address: Address, name: string, attrs: VmAttrs, shell: Pick<Shell, 'layout'>): DiskSpec {
  const disk = attrs.disks[name];
  const paths = shell.layout.vmPaths(address);
  if (disk?.type === 'volume') {
    return { id: name, path: shell.layout.volumePath(shortName(disk.volume)), format: 'raw', readonly: disk.readonly };
  }
  return { id: name, path: ownDiskPath(paths, name), format: 'raw', readonly: false };
}

/** One NIC of a VM. */
export function nicSpec(address: Address, nic: string, attrs: VmAttrs, connectivity: Connectivity): NicSpec {
  const entry = attrs.nics[nic];
  if (entry === undefined) throw new SbxError('SBX9001', `NIC ${nic} is not in its VM`);
  const { mac, forwards, ip, prefix, gateway, isolated = false } = entry;
  return connectivity === 'user-net'
    ? { id: nic, mac, connection: { type: 'user', isolated, forwards, guest: { ip, prefix, gateway } } }
    : { id: nic, mac, connection: { type: 'tap', ifname: tapName(address, nic) } };
}

/**
 * Sensitive values of a VM: those of which the record has the hash. They are in the file, where its variables were given; else
 * still in the seed of the last boot, which `start` and `restart` leave as it is. A value of the file that is not the recorded
 * one is taken when there is no other.
 */
export async function secretsOf(
  address: Address,
  attrs: Pick<VmAttrs, 'env'>,
  shell: Pick<Shell, 'secrets' | 'hash' | 'layout'>,
): Promise<ReadonlyMap<string, string>> {
  const given = shell.secrets(address);
  const found = new Map<string, string>();
  let kept: ReadonlyMap<string, string> | undefined;
  for (const [name, recorded] of Object.entries(attrs.env)) {
    if (typeof recorded === 'string') continue;
    const isRecorded = async (value: string | undefined): Promise<boolean> =>
      value !== undefined && (await shell.hash(value)) === recorded.sensitive;
    const fromFile = given.get(name);
    if (fromFile !== undefined) found.set(name, fromFile);
    if (await isRecorded(fromFile)) continue;
    kept ??= await keptEnv(seedPath(shell.layout.vmPaths(address)));
    const value = kept.get(name);
    if (value !== undefined && (await isRecorded(value))) found.set(name, value);
  }
  return found;
}

async function keptEnv(path: string): Promise<ReadonlyMap<string, string>> {
  try {
    return readSeedEnv(await readFile(path));
  } catch {
    // Without a seed there is nothing that it could give: whoever needs it says so.
    return new Map();
  }
}

/** What the guest is told at boot. Sensitive values never come from the record. */
export async function seedOf(
  address: Address,
  attrs: VmAttrs,
  shell: Shell,
  context: StepContext,
): Promise<SeedContent> {
  const keys = await readGuestKeys(shell.layout.keysDir);
  const secrets = await secretsOf(address, attrs, shell);
  const env = new Map<string, string>();
  for (const [name, text] of Object.entries(attrs.env)) {
    const value = typeof text === 'string' ? text : secrets.get(name);
    if (value === undefined) throw new SbxError('SBX8010', `the value of ${name} is sensitive and was not given`);
    env.set(name, value);
  }
  return {
    hostname: attrs.hostname,
    nics: Object.keys(attrs.nics).map((nic) => seedNic(nic, attrs, context)),
    hosts: [],
    env,
    authorizedKeys: [keys.authorizedKey],
    hostKey: keys.hostKey,
  };
}

function seedNic(nic: string, attrs: VmAttrs, context: StepContext): SeedNic {
  const entry = attrs.nics[nic];
  if (entry === undefined) throw new SbxError('SBX9001', `NIC ${nic} is not in its VM`);
  const { mac, ip, prefix, gateway, network } = entry;
  if (connectivityIn(context) === 'user-net') return { mac, dhcp: true };
  const record = context.record(network) as NetworkRecord | undefined;
  return record?.attrs.mode === 'nat' ? { mac, ip, prefix, gateway, dns: [uplink.dns] } : { mac, ip, prefix };
}
