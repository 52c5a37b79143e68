// Addresses: the names of resources within a sandbox, such as vm.web[0], vm.job["a"], network.lan and sandbox.

/** The closed set of resource kinds. `sandbox` is the namespace, holder, uplink and published ports of the instance. */
export const kinds = ['sandbox', 'image', 'volume', 'network', 'vm'] as const;
export type Kind = (typeof kinds)[number];

/** A canonical address as text, made by `formatAddress` or `parseAddress` only. */
export type Address = string & { readonly __brand: 'Address' };

/** The parts of an address; `key` is the count index or the for_each key. */
export interface AddressParts {
  readonly kind: Kind;
  readonly name: string;
  readonly key?: string | number;
}

/** The one address of kind `sandbox`. */
export const sandboxAddress: Address = 'sandbox' as Address;

/** Canonical text of an address. */
export function formatAddress(parts: AddressParts): Address {
  if (parts.kind === 'sandbox') return sandboxAddress;
  const key =
    parts.key === undefined ? '' : typeof parts.key === 'number' ? `[${parts.key}]` : `[${JSON.stringify(parts.key)}]`;
  return `${parts.kind}.${parts.name}${key}` as Address;
}

const canonical =
  /^(?:(image|volume|network|vm)\.)?([a-z][a-z0-9_-]*)(?:\[(?:(\d{1,9})|"([^"\\]*)")\]|\.([A-Za-z0-9_-]+))?$/;

/**
 * Parses an address as users write it: `vm.web[0]`, `web[0]`, `web.0`, `vm.job["a"]`, `job.a`, `network.lan`.
 * A missing kind means `vm`. Gives undefined for anything else.
 */
export function parseAddress(text: string): AddressParts | undefined {
  if (text === 'sandbox') return { kind: 'sandbox', name: 'sandbox' };
  const match = canonical.exec(text);
  if (match === null) return undefined;
  const [, kind, name, index, quoted, dotted] = match;
  if (name === undefined) return undefined;
  const key = index ?? (dotted !== undefined && /^\d{1,9}$/.test(dotted) ? dotted : undefined);
  const parts = { kind: (kind ?? 'vm') as Kind, name };
  if (key !== undefined) return { ...parts, key: Number(key) };
  const word = quoted ?? dotted;
  return word === undefined ? parts : { ...parts, key: word };
}

/** Parts of an address that is known to be canonical. */
export function addressParts(address: Address): AddressParts {
  return parseAddress(address) ?? { kind: 'vm', name: address };
}

/** The kind of a canonical address. */
export function kindOf(address: Address): Kind {
  const dot = address.indexOf('.');
  return (dot === -1 ? address : address.slice(0, dot)) as Kind;
}

/** The address without its kind, as people say it: `web[0]`. */
export function shortName(address: Address): string {
  const dot = address.indexOf('.');
  return dot === -1 ? address : address.slice(dot + 1);
}
