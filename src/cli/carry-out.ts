// The way from a request to its end, shared by all commands that change something: plan, show, refuse, ask, apply, sum up.

import type { Checked } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { type Change, type Impact, impacts, isEmptyPlan, type Plan } from '../core/plan/plan.ts';
import { impactOf } from '../core/plan/planner.ts';
import type { OnFailure } from '../core/plan/request.ts';
import { renderOutcome } from '../core/render/outcome-text.ts';
import { renderPlan } from '../core/render/plan-text.ts';
import { busyWords } from '../core/render/status-text.ts';
import { loadTextDiff, needsTextDiff, type TextDiff } from '../core/render/text-diff.ts';
import type { ApplyResult } from '../engine/events.ts';
import { makeView } from '../ui/choose.ts';
import type { CommandContext } from './command.ts';
import { type ExitCode, exitCodes, exitOfResult } from './exit.ts';
import { failWith, report, warn } from './report.ts';
import type { Planned } from './services.ts';
import { ask, canAsk, interruptible, look, print } from './terminal.ts';

/** How to carry a plan out. */
export interface CarryOutOptions {
  readonly autoApprove: boolean;
  readonly parallelism: number;
  readonly lockTimeoutMs: number;
  readonly maxImpact?: Impact | undefined;
  /** Most time in `ms`; 0 for any */
  readonly timeoutMs?: number;
  readonly onFailure?: OnFailure | undefined;
  /** What to ask: `Apply these changes to shop?` */
  readonly question: string;
}

/** Shows a plan, asks where that is needed, applies it and says how it ended. */
export async function carryOut(
  context: CommandContext,
  checked: Checked<Planned>,
  options: CarryOutOptions,
): Promise<ExitCode> {
  if (!checked.ok) return failWith(context, checked.diagnostics);
  const planned = checked.value;
  const { plan } = planned;
  await showPlan(context, planned);
  warn(context, [...checked.warnings, ...plan.warnings]);
  const refusal = tooHigh(plan, options.maxImpact);
  if (refusal !== undefined) return failWith(context, [refusal]);
  // Steps without changes renew the lease: there is nothing in them to be asked about.
  const empty = isEmptyPlan(plan) && plan.steps.length === 0;
  if (empty && planned.records === undefined) return await emptyEnd(context, plan);
  if (!isEmptyPlan(plan) && !options.autoApprove) {
    const answer = await approval(context, options.question);
    if (answer !== undefined) return answer;
  }
  return await applyPlan(context, planned, options);
}

/** Prints a plan as text, with who is applying meanwhile. JSON has it in the event that opens an apply. */
export async function showPlan(context: CommandContext, planned: Planned): Promise<void> {
  if (context.global.json) return;
  if (planned.busy !== undefined) context.io.stderr.write(`${busyWords(planned.busy)}\n`);
  const textDiff = await textDiffFor(planned.plan);
  print(context, renderPlan(planned.plan, { ...look(context), ...(textDiff === undefined ? {} : { textDiff }) }));
}

/** The comparison of texts, where the plan needs it. */
export async function textDiffFor(plan: Plan): Promise<TextDiff | undefined> {
  return needsTextDiff(plan) ? await loadTextDiff() : undefined;
}

/** The refusal of a plan that costs more than allowed. */
export function tooHigh(plan: Plan, allowed: Impact | undefined): ReturnType<typeof diagnostic> | undefined {
  if (allowed === undefined || plan.impact === null) return undefined;
  if (impacts.indexOf(plan.impact) <= impacts.indexOf(allowed)) return undefined;
  const above = plan.changes.filter((change) => impacts.indexOf(impactOf(change)) > impacts.indexOf(allowed));
  const shown = above.slice(0, mostNamed).map((change) => `${change.address} (${priceWord(change)})`);
  const more = above.length > mostNamed ? ` and ${above.length - mostNamed} more` : '';
  return diagnostic('SBX0003', {
    detail: `--max-impact allows "${allowed}". The plan costs more with ${shown.join(', ')}${more}.`,
    hint: 'Leave them as they are, or allow them with a higher --max-impact.',
  });
}

/** Changes that a refusal names at most. */
const mostNamed = 20;

/** What a change does that makes it cost so much: `restart`, `delete`. */
function priceWord(change: Change): string {
  return change.action === 'update' ? impactOf(change) : change.action;
}

async function emptyEnd(context: CommandContext, plan: Plan): Promise<ExitCode> {
  if (context.global.json) {
    const result: ApplyResult = { status: 'complete', outcomes: [], elapsedMs: 0 };
    (await viewFor(context, plan)).emit({ type: 'apply-ended', result });
  }
  return exitCodes.done;
}

/** Asks; undefined for yes, the exit code otherwise. */
export async function approval(context: CommandContext, question: string): Promise<ExitCode | undefined> {
  if (!canAsk(context)) {
    const detail = 'The plan has changes, and nobody can be asked without a terminal.';
    return failWith(context, [diagnostic('SBX0002', { detail, hint: 'Approve them beforehand with --auto-approve.' })]);
  }
  const answer = await ask(context, `\n${question}\n  Only 'yes' will be accepted: `);
  if (answer?.trim() === 'yes') return undefined;
  context.io.stderr.write(`${answer === undefined ? '\n' : ''}Nothing was changed.\n`);
  return answer === undefined ? exitCodes.interrupted : exitCodes.error;
}

async function applyPlan(context: CommandContext, planned: Planned, options: CarryOutOptions): Promise<ExitCode> {
  const view = await viewFor(context, planned.plan);
  const { signal, off } = interruptible(context, () => view.interrupting());
  try {
    const { parallelism, lockTimeoutMs, onFailure = 'continue', timeoutMs = 0 } = options;
    const limit = timeoutMs === 0 ? {} : { timeoutMs };
    const applied = await planned.apply({
      emit: view.emit,
      parallelism,
      lockTimeoutMs,
      signal,
      onFailure,
      ...limit,
    });
    await view.close();
    if (!applied.ok) return failWith(context, applied.diagnostics);
    warn(context, applied.warnings);
    if (planned.records !== undefined && applied.value.status === 'complete' && !context.global.json)
      context.io.stderr.write(`${planned.records}\n`);
    if (!isEmptyPlan(planned.plan) || planned.plan.steps.length > 0) sumUp(context, planned.plan, applied.value);
    return exitOfResult(applied.value);
  } finally {
    await view.close();
    off();
  }
}

function viewFor(context: CommandContext, plan: Plan): ReturnType<typeof makeView> {
  const { io, global, ci } = context;
  if (global.json) return makeView({ kind: 'json', stream: io.stdout, color: false, plan });
  // A terminal of no size, as some CI systems offer, cannot be drawn on.
  const drawn = io.stderr.isTTY === true && (io.stderr.rows ?? 0) > 5 && !ci && global.logLevel !== 'debug';
  const color = global.color && io.stderr.isTTY === true;
  return makeView({ kind: drawn ? 'ink' : 'plain', stream: io.stderr, color, plan });
}

function sumUp(context: CommandContext, plan: Plan, result: ApplyResult): void {
  if (context.global.json) return;
  const failures = result.outcomes.flatMap((o) => (o.outcome === 'failed' ? [o.diagnostic] : []));
  if (failures.length > 0) context.io.stderr.write('\n');
  report(context.io, context.global, failures);
  print(context, `\n${renderOutcome(plan, result, look(context))}`);
}
