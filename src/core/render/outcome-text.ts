// How an apply ended: what failed and why, what was not started, and one closing line.
import type { AddressOutcome, ApplyResult } from '../plan/outcome.ts';
import type { Plan } from '../plan/plan.ts';
import { makePaint, type Paint, plainText } from './paint.ts';
import { keptAddresses, sandboxTitle } from './plan-model.ts';
import { roughDuration } from './quantity.ts';

/** The closing table; ends with a newline. Diagnostics of failures are only named here: `report` shows them whole. */
export function renderOutcome(plan: Plan, result: ApplyResult, options: { readonly color: boolean }): string {
  const paint = makePaint(options.color);
  const lines = result.outcomes.flatMap((outcome) => outcomeLines(outcome, paint));
  return `${[...lines, ...(lines.length === 0 ? [] : ['']), closingLine(plan, result, paint)].join('\n')}\n`;
}

function outcomeLines(outcome: AddressOutcome, paint: Paint): readonly string[] {
  const kept = 'kept' in outcome ? outcome.kept : undefined;
  const own = outcomeLine(outcome, paint);
  if (kept === undefined) return own === undefined ? [] : [own];
  const line = `  ${paint.yellow('!')} ${paint.bold(outcome.address)} was not undone: ${plainText(kept)}`;
  return own === undefined ? [line] : [own, line];
}

/** The line of what did not go as planned; what is done needs none. */
function outcomeLine(outcome: AddressOutcome, paint: Paint): string | undefined {
  switch (outcome.outcome) {
    case 'done':
      return undefined;
    case 'undone':
      return `  ${paint.cyan('↶')} ${paint.bold(outcome.address)} was undone`;
    case 'failed': {
      const [first = ''] = plainText(outcome.diagnostic.detail).split('\n');
      const undone = outcome.undone === true ? '; what it had done was undone' : '';
      return `  ${paint.red('✗')} ${paint.bold(outcome.address)} failed: ${outcome.diagnostic.code} ${first}${undone}`;
    }
    case 'unfinished':
      return `  ${paint.yellow('…')} ${paint.bold(outcome.address)} is unfinished: ${plainText(outcome.because)}`;
    case 'not-started':
      return `  ${paint.dim('·')} ${paint.bold(outcome.address)} was not started: ${plainText(outcome.because)}`;
  }
}

function closingLine(plan: Plan, result: ApplyResult, paint: Paint): string {
  const count = (outcome: AddressOutcome['outcome']): number =>
    result.outcomes.filter((o) => o.outcome === outcome).length;
  const took = `in ${roughDuration(result.elapsedMs)}`;
  if (result.status === 'complete') {
    const verb = plan.mode === 'destroy' ? 'Done' : 'Applied';
    const kept = keptAddresses(plan);
    const stays = kept.length === 0 ? '' : ` What is protected stays: ${kept.join(', ')}.`;
    return `${paint.bold(paint.green(`${verb}: ${doneWords(plan, result)} ${took}.`))}${stays}`;
  }
  const left = [
    ...(count('failed') > 0 ? [`${count('failed')} failed`] : []),
    ...(count('undone') > 0 ? [`${count('undone')} undone`] : []),
    ...(count('unfinished') > 0 ? [`${count('unfinished')} unfinished`] : []),
    ...(count('not-started') > 0 ? [`${count('not-started')} not started`] : []),
  ];
  const word =
    result.status === 'interrupted' ? 'Interrupted' : wasRolledBack(result) ? 'Rolled back' : 'Partly applied';
  const next = `The next plan of ${sandboxTitle(plan.sandbox)} shows what is left.`;
  return `${paint.bold(paint.red(`${word}: ${[`${count('done')} done`, ...left].join(', ')} ${took}.`))} ${next}`;
}

function wasRolledBack({ outcomes }: ApplyResult): boolean {
  return outcomes.some(
    (o) => o.outcome === 'undone' || ('kept' in o && o.kept !== undefined) || ('undone' in o && o.undone),
  );
}

const pastTense = {
  create: 'created',
  update: 'changed',
  replace: 'replaced',
  delete: 'destroyed',
  forget: 'forgotten',
};

function doneWords(plan: Plan, result: ApplyResult): string {
  const actions = new Map(plan.changes.map((c) => [c.address, c.action]));
  const counts = new Map<string, number>();
  for (const { address } of result.outcomes) {
    const action = actions.get(address);
    if (action !== undefined) counts.set(pastTense[action], (counts.get(pastTense[action]) ?? 0) + 1);
  }
  const words = [...counts].map(([verb, count]) => `${count} ${verb}`);
  return words.length === 0 ? 'nothing had to change' : words.join(', ');
}
