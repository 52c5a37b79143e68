// A plan as words, before colours and layout: what the text and the Markdown of a plan have in common.
import type { Address } from '../address.ts';
import { assertNever } from '../errors.ts';
import type { Change, Drift, FieldChange, Impact, LostDisk, Plan, PlanValue, Price } from '../plan/plan.ts';
import { formatSize } from '../units.ts';
import { plainText } from './paint.ts';
import { aboutDuration, counted } from './quantity.ts';
import { formatChange, formatJson, formatValue, isAbsent } from './value-text.ts';

export type Mark = '+' | '~' | '-/+' | '-' | '.';

/** One changed field in words. */
export interface FieldView {
  readonly symbol: '+' | '~' | '-';
  readonly field: string;
  /** One line such as `512MiB → 1GiB`; absent where `text` has it */
  readonly values?: string;
  /** Both sides of a text of several lines, to be shown as a difference */
  readonly text?: { readonly from: string; readonly to: string };
  /** Impact and reason; absent for creations */
  readonly comment?: string;
}

/** One change in words. */
export interface ChangeView {
  readonly symbol: Mark;
  readonly address: Address;
  /** `will be restarted` */
  readonly verdict: string;
  readonly because?: string;
  /** What it costs beyond its impact, a phrase each */
  readonly price: readonly string[];
  readonly fields: readonly FieldView[];
}

/** The words of one change. */
export function toChangeView(change: Change): ChangeView {
  const common = { address: change.address, price: priceWords(change.price) };
  const because = 'because' in change && change.because !== undefined ? { because: plainText(change.because) } : {};
  switch (change.action) {
    case 'create': {
      const verdict = change.resumes ? 'was begun and will be finished' : 'will be created';
      return { ...common, symbol: '+', verdict, fields: change.fields.map((f) => toFieldView(f, false)) };
    }
    case 'update': {
      const fields = change.fields.map((f) => toFieldView(f, true));
      return { ...common, ...because, symbol: '~', verdict: verdictOf(change), fields };
    }
    case 'replace': {
      const fields = change.fields.map((f) => toFieldView(f, true));
      return { ...common, ...because, symbol: '-/+', verdict: 'will be replaced', fields };
    }
    case 'delete':
      return { ...common, ...because, symbol: '-', verdict: 'will be destroyed', fields: [] };
    case 'forget':
      return { ...common, ...because, symbol: '.', verdict: 'will be forgotten', fields: [] };
    default:
      return assertNever(change);
  }
}

const updateVerdict: Readonly<Record<Impact, string>> = {
  live: 'will be changed live',
  'next-boot': 'will be changed at its next boot',
  restart: 'will be restarted',
  replace: 'will be replaced',
};

/** What happens to a VM that is updated. One that is off and comes up says so: that is what people look for. */
function verdictOf(change: Extract<Change, { action: 'update' }>): string {
  const state = change.fields.find((field) => field.field === 'state');
  const starts = state !== undefined && isValue(state.to, 'running') && !holds.test(textOf(state.from));
  const way = change.through ?? change.impact;
  if (!starts || way === 'restart') return updateVerdict[way];
  return change.fields.length === 1 ? 'will be started' : 'will be started, changed';
}

/** States from which a guest goes on rather than starts. */
const holds = /^(?:running|paused|blocked)\b/;

function isValue(value: PlanValue, text: string): boolean {
  return 'value' in value && value.value === text;
}

function priceWords(price: Price): readonly string[] {
  const { downtimeMs, lostDisks, touches } = price;
  return [
    ...(downtimeMs > 0 ? [`down for ${aboutDuration(downtimeMs)}`] : []),
    ...(lostDisks.length > 0
      ? [`the content of ${counted(lostDisks.length, 'disk')} is lost: ${lostDisks.map(lostWords).join(', ')}`]
      : []),
    ...(touches.length > 0 ? [`noticed by ${someOf(touches)}`] : []),
  ];
}

function lostWords({ name, sizeBytes }: LostDisk): string {
  return sizeBytes === null ? name : `${name} (${formatSize(sizeBytes)})`;
}

function someOf(addresses: readonly string[]): string {
  return addresses.length <= 6
    ? addresses.join(', ')
    : `${addresses.slice(0, 5).join(', ')} and ${addresses.length - 5} more`;
}

function toFieldView(change: FieldChange, priced: boolean): FieldView {
  const { from, to } = change;
  const symbol = isAbsent(from) ? '+' : isAbsent(to) ? '-' : '~';
  const comment = priced
    ? { comment: change.reason === '' ? change.impact : `${change.impact}: ${plainText(change.reason)}` }
    : {};
  const base = { symbol, field: change.field, ...comment } as const;
  if (isText(from) || isText(to)) return { ...base, text: { from: textOf(from), to: textOf(to) } };
  return { ...base, values: formatChange(from, to, change.unit) };
}

function isText(value: PlanValue): boolean {
  return 'value' in value && typeof value.value === 'string' && value.value.includes('\n');
}

function textOf(value: PlanValue): string {
  if ('value' in value) return typeof value.value === 'string' ? value.value : formatJson(value.value);
  return 'sensitive' in value ? '(sensitive)' : '';
}

/** One drifted field: `memory.size: 512MiB → 1GiB`. */
export function driftWords(drift: Drift): string {
  if (isAbsent(drift.recorded) && isAbsent(drift.observed)) return drift.field;
  const recorded = formatValue(drift.recorded, drift.unit);
  return `${drift.field}: ${recorded} → ${formatValue(drift.observed, drift.unit)}`;
}

/** How many changes of each sort a plan has. */
export interface PlanCounts {
  readonly create: number;
  readonly update: Readonly<Record<Impact, number>>;
  readonly replace: number;
  readonly delete: number;
  readonly forget: number;
  readonly downtimeMs: number;
  /** Disks whose content is lost */
  readonly lost: number;
}

/** Counts changes by action, and updates by impact; the longest downtime of all. */
export function countChanges(plan: Plan): PlanCounts {
  const update = { live: 0, 'next-boot': 0, restart: 0, replace: 0 };
  const by = { create: 0, replace: 0, delete: 0, forget: 0 };
  let downtimeMs = 0;
  let lost = 0;
  for (const change of plan.changes) {
    if (change.action === 'update') update[change.through ?? change.impact] += 1;
    else by[change.action] += 1;
    downtimeMs = Math.max(downtimeMs, change.price.downtimeMs);
    lost += change.price.lostDisks.length;
  }
  return { ...by, update, downtimeMs, lost };
}

/** `Plan: 3 to create, 2 to change (1 live, 1 restart), 0 to destroy; the content of 1 disk is lost.` */
export function summaryLine(plan: Plan): string {
  const counts = countChanges(plan);
  const updates = Object.entries(counts.update).filter(([, count]) => count > 0);
  const changed = updates.reduce((sum, [, count]) => sum + count, 0);
  const byImpact =
    updates.length === 1 ? ` (${updates[0]?.[0]})` : ` (${updates.map(([impact, n]) => `${n} ${impact}`).join(', ')})`;
  const parts = [
    `${counts.create} to create`,
    `${changed} to change${changed === 0 ? '' : byImpact}`,
    ...(counts.replace > 0 ? [`${counts.replace} to replace`] : []),
    `${counts.delete} to destroy`,
    ...(counts.forget > 0 ? [`${counts.forget} to forget`] : []),
  ];
  const lost = counts.lost === 0 ? '' : `; the content of ${counted(counts.lost, 'disk')} is lost`;
  return `Plan: ${parts.join(', ')}${lost}.`;
}

/** What a destroy leaves because it is protected. */
export function keptAddresses(plan: Plan): readonly Address[] {
  return plan.warnings.flatMap(({ code, address }) => (code === 'SBX3144' && address !== undefined ? [address] : []));
}

/** `shop@pr-17` */
export function sandboxTitle(sandbox: { readonly name: string; readonly instance?: string }): string {
  return sandbox.instance === undefined ? sandbox.name : `${sandbox.name}@${sandbox.instance}`;
}

const driverTitles: Readonly<Record<string, string>> = { 'cloud-hypervisor': 'Cloud Hypervisor', qemu: 'QEMU' };

/** `QEMU` for `qemu` */
export function driverTitle(name: string): string {
  return driverTitles[name] ?? name;
}

/** Which VMM runs the guests, and why not the others; one line each. */
export function driverLines(plan: Plan): readonly string[] {
  if (plan.driver === undefined) return [];
  const { chosen, others } = plan.driver;
  const how = chosen.acceleration === 'kvm' ? 'with KVM' : 'by emulation, without KVM';
  return [
    `${sandboxTitle(plan.sandbox)} runs on ${driverTitle(chosen.driver)} ${chosen.version} ${how}.`,
    ...others.map((other) => `Not on ${driverTitle(other.driver)}: ${plainText(other.reason)}`),
  ];
}
