// The seed: a small disk that tells a guest who it is. A tar archive from its first byte, found by the serial sbx-seed.
import { bug } from '../core/errors.ts';
import { memberOf, type TarMember, tarArchive } from './tar.ts';

/** Device name and serial of the seed's disk. */
export const seedDiskId = 'sbx-seed';

/** How a network card of the guest gets its address; `dns` are IPv4 addresses of name servers. */
export type SeedNic =
  | {
      readonly mac: string;
      readonly ip: string;
      readonly prefix: number;
      readonly gateway?: string;
      readonly dns?: readonly string[];
    }
  | { readonly mac: string; readonly dhcp: true };

/** A file for the guest; the path is absolute in the guest. */
export interface SeedFile {
  readonly path: string;
  readonly mode: number;
  readonly content: Uint8Array;
}

/** What a guest is told. Holds secrets: the disk is written with mode 0600. */
export interface SeedContent {
  readonly hostname: string;
  readonly nics: readonly SeedNic[];
  /** Lines of /etc/hosts beside localhost and the guest itself */
  readonly hosts: readonly { readonly ip: string; readonly names: readonly string[] }[];
  readonly env: ReadonlyMap<string, string>;
  /** Lines of root's authorized_keys */
  readonly authorizedKeys: readonly string[];
  /** dropbear's own format, see `hostKeyPair` */
  readonly hostKey?: Uint8Array;
  readonly files?: readonly SeedFile[];
}

const mac = /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/;
const address = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;
const hostName = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const variable = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * Bytes of the seed's raw disk. The same content gives the same bytes. Throws a bug for values that a checked file cannot
 * hold: the guest's scripts trust what they read here.
 */
export function buildSeed(content: SeedContent): Uint8Array {
  const text = (path: string, lines: readonly string[], mode = 0o600): TarMember => ({
    type: 'file',
    path,
    mode,
    content: Buffer.from(lines.map((line) => `${line}\n`).join('')),
  });
  const hostname = checked(hostName, content.hostname, 'hostname');
  const env = [...content.env].map(([name, value]) => [checked(variable, name, 'variable'), value] as const);
  const dns = content.nics.flatMap((nic) => ('dns' in nic ? (nic.dns ?? []) : []));
  const members: TarMember[] = [
    text('hostname', [hostname], 0o644),
    text('nics', content.nics.map(nicLine)),
    text('hosts', hostLines(hostname, content), 0o644),
    text(
      'env.sh',
      env.map(([name, value]) => `export ${name}=${quoted(value)}`),
    ),
    text(
      'environment',
      env.filter(([, value]) => !/[\n\r]/.test(value)).map(([name, value]) => `${name}=${value}`),
      0o644,
    ),
    text(
      'authorized_keys',
      content.authorizedKeys.map((line) => checked(/^[^\n\r]+$/, line, 'key')),
    ),
  ];
  if (dns.length > 0) members.push(text('resolv.conf', [...new Set(dns)].map(nameServer), 0o644));
  if (content.hostKey !== undefined)
    members.push({ type: 'file', path: 'host_key', mode: 0o600, content: content.hostKey });
  return tarArchive([...members, ...fileMembers(content.files ?? [])]);
}

/**
 * The environment that a seed gives its guest, by name; nothing where it is no seed. It is only ever compared with what is
 * recorded, so that a damaged one can do no more than be of no use.
 */
export function readSeedEnv(seed: Uint8Array): ReadonlyMap<string, string> {
  const text = Buffer.from(memberOf(seed, 'env.sh') ?? new Uint8Array()).toString('utf8');
  const line = /^export ([A-Za-z_][A-Za-z0-9_]*)=((?:'[^']*'|\\')*)\n/gmu;
  return new Map(
    [...text.matchAll(line)].map(([, name = '', word = '']) => [name, word.replace(/'([^']*)'|\\(')/g, '$1$2')]),
  );
}

function nicLine(nic: SeedNic): string {
  const card = checked(mac, nic.mac, 'MAC address');
  if ('dhcp' in nic) return `${card} dhcp -`;
  if (!Number.isInteger(nic.prefix) || nic.prefix < 0 || nic.prefix > 32) return bug(`prefix ${nic.prefix} in a seed`);
  const gateway = nic.gateway === undefined ? '-' : checked(address, nic.gateway, 'gateway');
  return `${card} ${checked(address, nic.ip, 'address')}/${nic.prefix} ${gateway}`;
}

function hostLines(hostname: string, content: SeedContent): readonly string[] {
  const own = content.nics.find((nic) => 'ip' in nic);
  const self = own !== undefined && 'ip' in own ? own.ip : '127.0.1.1';
  const others = content.hosts.map(({ ip, names }) =>
    [checked(address, ip, 'address'), ...names.map((name) => checked(hostName, name, 'name'))].join(' '),
  );
  return ['127.0.0.1 localhost', '::1 localhost ip6-localhost', `${self} ${hostname}`, ...others];
}

function nameServer(ip: string): string {
  return `nameserver ${checked(address, ip, 'name server')}`;
}

function fileMembers(files: readonly SeedFile[]): readonly TarMember[] {
  if (files.length === 0) return [];
  const folders = new Set<string>();
  for (const { path } of files) {
    if (!path.startsWith('/')) return bug(`file ${JSON.stringify(path)} in a seed is not absolute`);
    const parts = path.split('/').slice(1, -1);
    parts.forEach((_, index) => {
      folders.add(parts.slice(0, index + 1).join('/'));
    });
  }
  return [
    { type: 'folder', path: 'files', mode: 0o755 },
    ...[...folders].sort().map((path) => ({ type: 'folder' as const, path: `files/${path}`, mode: 0o755 })),
    ...files.map(({ path, mode, content }) => ({ type: 'file' as const, path: `files${path}`, mode, content })),
  ];
}

/** A word for a POSIX shell that stands for exactly this text. */
function quoted(value: string): string {
  if (value.includes('\0')) return bug('a variable of a seed holds NUL');
  return `'${value.replaceAll("'", `'\\''`)}'`;
}

function checked(pattern: RegExp, value: string, what: string): string {
  return pattern.test(value) ? value : bug(`${what} ${JSON.stringify(value)} in a seed`);
}
