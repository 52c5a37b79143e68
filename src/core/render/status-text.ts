// The live table of a sandbox, aligned, and narrower where the terminal is.
import { shortName } from '../address.ts';
import type { PublishedPort } from '../desired.ts';
import { type PortRun, portRuns, spanText } from '../port-ranges.ts';
import { type Column, tableLines } from './columns.ts';
import { makePaint, type Paint, plainText, type Style } from './paint.ts';
import { driftWords, driverTitle, sandboxTitle } from './plan-model.ts';
import { roughBytes, roughDuration } from './quantity.ts';
import type { LockHolder, StatusReport, VmState, VmStatus } from './status-model.ts';

const stateStyles: Readonly<Record<VmState, Style>> = {
  running: 'green',
  paused: 'yellow',
  stopped: 'dim',
  exited: 'dim',
  dead: 'red',
  halted: 'red',
  lost: 'red',
  blocked: 'red',
  unresponsive: 'red',
  creating: 'yellow',
  deleting: 'yellow',
  missing: 'red',
};

const columns: readonly Column[] = [
  { title: 'VM', min: 8 },
  { title: 'STATE' },
  { title: 'ADDRESS', min: 10 },
  { title: 'PORTS', min: 8 },
  { title: 'CPUS', align: 'right', optional: true },
  { title: 'MEMORY', align: 'right', optional: true },
  { title: 'UPTIME', align: 'right' },
  { title: 'DRIFT', min: 6 },
];

/** The table with a line above it; ends with a newline. */
export function renderStatus(
  report: StatusReport,
  options: { readonly color: boolean; readonly width: number },
): string {
  const paint = makePaint(options.color);
  const title = sandboxTitle(report.sandbox);
  if (!report.applied) return `${paint.bold(title)} was never applied on this host.\n`;
  const head = [
    paint.bold(title),
    ...(report.driver === undefined ? [] : [driverWords(report.driver)]),
    ...(report.leaseMs === undefined ? [] : [leaseWords(report.leaseMs)]),
  ].join(' · ');
  const rows = report.vms.map((vm) => cellsOf(vm, paint));
  const reasons = report.vms.flatMap((vm) =>
    vm.reason === undefined
      ? []
      : [`  ${paint.red('!')} ${shortName(vm.address)}: ${plainText(vm.reason).replaceAll('\n', ' ')}`],
  );
  const drift = report.drift.map((d) => `  ${paint.magenta('!')} ${d.address}: ${driftWords(d)}`);
  const busy = report.busy === undefined ? [] : [paint.yellow(busyWords(report.busy))];
  const unseen = report.unseen === undefined ? [] : [paint.yellow(plainText(report.unseen))];
  const body = rows.length === 0 ? ['No VMs.'] : tableLines(columns, rows, options.width, paint.dim);
  return `${[head, ...busy, ...unseen, ...body, ...reasons, ...drift].join('\n')}\n`;
}

function cellsOf(vm: VmStatus, paint: Paint): readonly { text: string; paint?: (text: string) => string }[] {
  const state = vm.hold === true && vm.state === 'stopped' ? 'stopped (held)' : vm.state;
  return [
    { text: shortName(vm.address) },
    { text: state, paint: paint[stateStyles[vm.state]] },
    { text: vm.nics.map((nic) => nic.ip).join(', ') },
    { text: portRuns(vm.ports).map(portWords).join(', ') },
    { text: vm.cpus === undefined ? '' : String(vm.cpus) },
    { text: vm.memoryBytes === undefined ? '' : roughBytes(vm.memoryBytes) },
    { text: vm.uptimeMs === undefined ? '' : roughDuration(vm.uptimeMs) },
    { text: vm.drift.join(', '), paint: paint.magenta },
  ];
}

/** `8080→80`, `3000-3002→3000-3002`, with the address of the host where it is not 127.0.0.1, `/udp` where it is. */
function portWords({ first, length }: PortRun<PublishedPort>): string {
  const ports = spanText(first.hostPort, length);
  const host = first.hostIp === '127.0.0.1' ? ports : `${first.hostIp}:${ports}`;
  return `${host}→${spanText(first.guestPort, length)}${first.protocol === 'udp' ? '/udp' : ''}`;
}

function driverWords(driver: NonNullable<StatusReport['driver']>): string {
  return `${driverTitle(driver.name)} ${driver.version} (${driver.acceleration === 'kvm' ? 'KVM' : 'emulation'})`;
}

/** When the lease ends. */
export function leaseWords(leaseMs: number): string {
  return leaseMs <= 0 ? 'lease ended' : `lease ends in ${roughDuration(leaseMs)}`;
}

/** Who is at work on the sandbox. */
export function busyWords(busy: LockHolder): string {
  return `${plainText(busy.user)} is working on it: ${plainText(busy.command)} (process ${busy.pid}).`;
}
