// Codes SBX2xxx: the meaning of a file: variables, references, addresses.
import type { CodeEntry } from './entry.ts';

export const expandCodes = {
  SBX2001: {
    severity: 'error',
    summary: 'Unknown variable',
    meaning: 'A value was given for a variable that the file does not declare.',
  },
  SBX2002: {
    severity: 'error',
    summary: 'Invalid variable',
    meaning: 'The value of a variable, or its declaration, does not fit its type, range, enum or pattern.',
  },
  SBX2003: {
    severity: 'error',
    summary: 'Variable without a value',
    meaning: 'A variable that has no default is used, and no value was given: use --var, --var-file or SBX_VAR_name.',
  },
  SBX2004: {
    severity: 'error',
    summary: 'Sensitive value in the open',
    meaning: 'Sensitive variables may be used in env and outputs only, since everything else is shown in plans.',
  },
  SBX2101: {
    severity: 'error',
    summary: 'Invalid reference',
    meaning: 'A reference is not closed, or is not one of the forms that sbx knows. A literal ${ is written $${.',
  },
  SBX2102: {
    severity: 'error',
    summary: 'Reference does not apply here',
    meaning:
      'each and count exist only in VMs with for_each or count, and what shapes the file may use variables only.',
  },
  SBX2103: {
    severity: 'error',
    summary: 'Text grows too long',
    meaning: 'Replacing references made a text, or all of them together, too long.',
  },
  SBX2104: {
    severity: 'error',
    summary: 'Unknown reference',
    meaning: 'A reference names something that the file does not declare.',
  },
  SBX2105: {
    severity: 'error',
    summary: 'References in a circle',
    meaning: 'A value depends on itself through references.',
  },
  SBX2106: {
    severity: 'error',
    summary: 'Value does not fit',
    meaning: 'A function or a text got a value of a kind that it cannot use.',
  },
  SBX2201: {
    severity: 'error',
    summary: 'Invalid for_each or count',
    meaning: 'A VM has both, a key that cannot be part of an address, a key twice, or too many instances.',
  },
  SBX2202: { severity: 'error', summary: 'Too many VMs', meaning: 'One sandbox may declare up to 10,000 VMs.' },
  SBX2203: {
    severity: 'error',
    summary: 'VM without an image',
    meaning: 'Neither the VM nor its template says what it boots from.',
  },
  SBX2204: {
    severity: 'error',
    summary: 'Too many values',
    meaning:
      'All VMs together may have up to a million values (single values, lists and maps), so that no file can make sbx slow or run out of memory.',
  },
  SBX2301: {
    severity: 'error',
    summary: 'Invalid subnet',
    meaning:
      'A subnet is an IPv4 network from /8 to /30 whose host bits are zero, outside the ranges with a special use.',
  },
  SBX2302: {
    severity: 'error',
    summary: 'Subnets overlap',
    meaning: 'Two networks of the sandbox share addresses, so that no VM on both could tell them apart.',
  },
  SBX2303: {
    severity: 'error',
    summary: 'Address cannot be used',
    meaning: 'The address lies outside the subnet, or is its network, gateway or broadcast address.',
  },
  SBX2304: { severity: 'error', summary: 'Duplicate address', meaning: 'Two VMs have the same address on a network.' },
  SBX2305: { severity: 'error', summary: 'Subnet is full', meaning: 'The subnet has no free address left for a VM.' },
  SBX2401: {
    severity: 'error',
    summary: 'Invalid port',
    meaning: 'Ports are from 1 to 65535, and a host address is an IPv4 address or an IPv6 address in brackets.',
  },
  SBX2402: {
    severity: 'error',
    summary: 'Duplicate host port',
    meaning:
      'Two guests cannot be published on the same address and port of the host. Use auto:PORT to get a free one.',
  },
  SBX2403: {
    severity: 'error',
    exit: 7,
    summary: 'Port open to the network',
    meaning:
      'Ports are published on 127.0.0.1 and [::1] only, unless --allow-public-ports says that others may reach this host.',
  },
  SBX2404: {
    severity: 'error',
    summary: 'Port cannot be published',
    meaning: 'Ports are published on networks of mode nat only.',
  },
  SBX2405: { severity: 'error', summary: 'No free port', meaning: 'Every port that auto may take is taken.' },
  SBX2501: {
    severity: 'error',
    summary: 'Invalid size',
    meaning: 'A size is out of range, not a multiple of its step, or a maximum lies below its value.',
  },
  SBX2502: {
    severity: 'error',
    summary: 'Contradicting keys',
    meaning: 'These keys exclude each other, or need each other.',
  },
  SBX2503: {
    severity: 'error',
    summary: 'Volume attached twice',
    meaning: 'A volume that one VM writes to cannot be attached to another, since both would destroy its file system.',
  },
  SBX2504: {
    severity: 'error',
    summary: 'Dependencies in a circle',
    meaning: 'VMs wait for each other through depends_on, so none could start.',
  },
  SBX2505: {
    severity: 'error',
    summary: 'Too many dependencies',
    meaning: 'The VMs of a sandbox may have up to a million dependencies between each other.',
  },
  SBX2506: {
    severity: 'error',
    summary: 'Invalid duration',
    meaning: 'A duration is longer than nothing and its units stand in falling order, such as 1h30m.',
  },
  SBX2601: {
    severity: 'warning',
    summary: 'Never used',
    meaning: 'A variable, template or image is declared and not used.',
  },
  SBX2602: {
    severity: 'warning',
    summary: 'Nothing to wait for',
    meaning:
      'A VM waits until another is ready, and that one says ready: none, or boots from files of its own and does not say when it is: started counts then.',
  },
} as const satisfies Record<string, CodeEntry>;
