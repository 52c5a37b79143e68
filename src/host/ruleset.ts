// The text of a sandbox's packet filter. Pure: attributes and host addresses in, nftables text out.
import { isIPv4 } from 'node:net';
import { bug } from '../core/errors.ts';
import { bridgeName, linkPrefix, uplink } from '../core/link-names.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import { type UplinkForward, withInnerPorts } from '../core/uplink-ports.ts';

/** Family and name of the two tables: the filter, and what must hold as soon as there is an uplink. */
export const tables = { filter: 'inet sbx', guard: 'inet sbx_uplink' } as const;

/** Never a way out, whatever the host's addresses are: loopback, link-local (where clouds keep credentials), multicast, reserved. */
const closed = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'];

/**
 * The whole filter as one transaction for `nft -f`. Reply packets pass first, and every original packet is judged anew, so that what
 * is withdrawn ends at once for flows that exist.
 */
export function rulesetFor(attrs: SandboxAttrs, hostAddresses: readonly string[]): string {
  const networks = networksOf(attrs);
  const forwards = withInnerPorts(attrs.forwards);
  const body = [
    ...sets(forwards, hostAddresses),
    ...prerouting(networks),
    ...published(),
    ...chain('leave', 'type nat hook postrouting priority 100; policy accept;', [
      `oifname "${uplink.ifname}" masquerade`,
    ]),
    ...forwarding(networks),
    ...egress(),
    ...input(networks),
    ...chain('refuse', undefined, [
      'meta l4proto tcp reject with tcp reset',
      'reject with icmpx type admin-prohibited',
    ]),
  ];
  return `${replaced(tables.filter, body)}${guardRuleset()}`;
}

/**
 * Keeps everything in the namespace, VMMs included, from the host's loopback, which the addresses of the uplink's subnet lead to: that
 * of the name server too, where the host's resolver listens on its loopback, so that only its port is open. The uplink's own switch
 * (`--disable-host-loopback`) would also eat the answers to UDP clients on the host's loopback. IPv6 is off in the namespace and in the uplink.
 */
export function guardRuleset(): string {
  const body = chain('leave', 'type filter hook postrouting priority 0; policy accept;', [
    `oifname "${uplink.ifname}" ip daddr ${uplink.dns} meta l4proto { tcp, udp } th dport 53 accept`,
    `oifname "${uplink.ifname}" ip daddr ${uplink.subnet} ct direction original drop`,
  ]);
  return replaced(tables.guard, body);
}

/** Where published ports arrive and where they lead: `tcp/8080` → `10.68.0.10:80`. */
export function forwardTargets(attrs: SandboxAttrs): Readonly<Record<string, string>> {
  return Object.fromEntries(
    withInnerPorts(attrs.forwards).map((forward) => [
      `${forward.protocol}/${forward.innerPort}`,
      `${forward.guestIp}:${forward.guestPort}`,
    ]),
  );
}

interface FilterNetwork {
  readonly bridge: string;
  readonly subnet: string;
  readonly nat: boolean;
}

function networksOf(attrs: SandboxAttrs): readonly FilterNetwork[] {
  return Object.entries(attrs.networks).map(([name, { mode, subnet }]) => ({
    bridge: bridgeName(name),
    subnet: checkedSubnet(subnet),
    nat: mode === 'nat',
  }));
}

function sets(forwards: readonly UplinkForward[], hostAddresses: readonly string[]): readonly string[] {
  const host = hostAddresses.map(checkedIp);
  const ofProtocol = (['tcp', 'udp'] as const).flatMap((protocol) => {
    const mine = forwards.filter((forward) => forward.protocol === protocol);
    const inner = mine.map((forward) => checkedPort(forward.innerPort));
    const targets = mine.map(
      (forward) =>
        `${checkedPort(forward.innerPort)} : ${checkedIp(forward.guestIp)} . ${checkedPort(forward.guestPort)}`,
    );
    return [
      ...block(`set ${protocol}_ports`, ['type inet_service', ...elements(inner)]),
      ...block(`map ${protocol}_targets`, ['type inet_service : ipv4_addr . inet_service', ...elements(targets)]),
    ];
  });
  return [...block('set host_addresses', ['type ipv4_addr', ...elements(host)]), ...ofProtocol];
}

/** Before anything else looks: a source that is not of its network, and loopback addresses on a wire. */
function prerouting(networks: readonly FilterNetwork[]): readonly string[] {
  return chain('arrive', 'type filter hook prerouting priority -300; policy accept;', [
    'iifname != "lo" ip daddr 127.0.0.0/8 drop',
    ...networks.map(({ bridge, subnet }) => `iifname "${bridge}" ip saddr != ${subnet} drop`),
  ]);
}

function published(): readonly string[] {
  const arrives = `iifname "${uplink.ifname}" ip daddr ${uplink.address}`;
  return chain('publish', 'type nat hook prerouting priority -100; policy accept;', [
    `${arrives} dnat ip to tcp dport map @tcp_targets`,
    `${arrives} dnat ip to udp dport map @udp_targets`,
  ]);
}

function forwarding(networks: readonly FilterNetwork[]): readonly string[] {
  return chain('forward', 'type filter hook forward priority 0; policy drop;', [
    'ct direction reply ct state established,related accept',
    `iifname "${uplink.ifname}" ct status dnat meta l4proto tcp ct original proto-dst @tcp_ports accept`,
    `iifname "${uplink.ifname}" ct status dnat meta l4proto udp ct original proto-dst @udp_ports accept`,
    // Only seen where bridged frames pass through here at all.
    ...networks.map(({ bridge }) => `iifname "${bridge}" oifname "${bridge}" accept`),
    ...networks
      .filter(({ nat }) => nat)
      .map(({ bridge }) => `iifname "${bridge}" oifname "${uplink.ifname}" jump egress`),
    `iifname "${linkPrefix}*" jump refuse`,
  ]);
}

function egress(): readonly string[] {
  return chain('egress', undefined, [
    `ip daddr ${uplink.dns} meta l4proto { tcp, udp } th dport 53 accept`,
    `ip daddr ${uplink.subnet} jump refuse`,
    ...closed.map((subnet) => `ip daddr ${subnet} jump refuse`),
    'ip daddr @host_addresses jump refuse',
    'meta nfproto ipv4 accept',
  ]);
}

/** The namespace itself: it answers what it asked, and a ping to the address in the guest's own network. */
function input(networks: readonly FilterNetwork[]): readonly string[] {
  return chain('receive', 'type filter hook input priority 0; policy drop;', [
    'iifname "lo" accept',
    'ct state established,related accept',
    ...networks.map(({ bridge, subnet }) => `iifname "${bridge}" ip daddr ${subnet} icmp type echo-request accept`),
    `iifname "${linkPrefix}*" jump refuse`,
  ]);
}

/** In one transaction: a table that is declared first can be deleted whether it was there or not. */
function replaced(table: string, body: readonly string[]): string {
  return [`table ${table}`, `delete table ${table}`, `table ${table} {`, ...body, '}', ''].join('\n');
}

function chain(name: string, hook: string | undefined, rules: readonly string[]): readonly string[] {
  return block(`chain ${name}`, [...(hook === undefined ? [] : [hook]), ...rules]);
}

function block(head: string, lines: readonly string[]): readonly string[] {
  return [`  ${head} {`, ...lines.map((line) => `    ${line}`), '  }'];
}

function elements(list: readonly (string | number)[]): readonly string[] {
  return list.length === 0 ? [] : [`elements = { ${list.join(', ')} }`];
}

// nft looks words that are no addresses up in the DNS: nothing unchecked may enter the text.
function checkedIp(text: string): string {
  return isIPv4(text) ? text : bug(`not an IPv4 address: ${text}`);
}

function checkedSubnet(text: string): string {
  const [ip = '', prefix = ''] = text.split('/');
  return isIPv4(ip) && /^(?:[0-9]|[12][0-9]|3[0-2])$/.test(prefix) ? text : bug(`not an IPv4 subnet: ${text}`);
}

function checkedPort(port: number): number {
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : bug(`not a port: ${port}`);
}
