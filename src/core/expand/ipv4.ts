// IPv4 addresses and networks as numbers.

/** A network: its first address as an unsigned number, and the length of its prefix. */
export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/;

/** The number of an address such as `10.0.0.1`; undefined for anything else, leading zeros included. */
export function parseIp(text: string): number | undefined {
  const match = octets.exec(text);
  if (match === null) return undefined;
  let value = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

/** Text of an address. */
export function formatIp(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** The parts of `10.0.0.0/24`; the address may have host bits, see `isCanonical`. */
export function parseSubnet(text: string): Subnet | undefined {
  const [address = '', length = '', ...rest] = text.split('/');
  const base = parseIp(address);
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : 33;
  return base === undefined || prefix > 32 || rest.length > 0 ? undefined : { base, prefix };
}

/** Text of a network. */
export function formatSubnet({ base, prefix }: Subnet): string {
  return `${formatIp(base)}/${prefix}`;
}

/** Number of addresses of a network. */
export function sizeOf({ prefix }: Subnet): number {
  return 2 ** (32 - prefix);
}

/** The network that an address with a prefix lies in. */
export function networkOf({ base, prefix }: Subnet): Subnet {
  return { base: base - (base % 2 ** (32 - prefix)), prefix };
}

/** Whether two networks share an address. */
export function overlap(a: Subnet, b: Subnet): boolean {
  return a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);
}
