// A plan as a JSON document: the plan itself with its summary, the steps left to those who apply it.
import { isEmptyPlan, type Plan } from '../plan/plan.ts';
import { boundedDiagnostics } from './diagnostics.ts';
import { countChanges, summaryLine } from './plan-model.ts';

/** The document that `plan --json` prints; its shape is schemas/plan-output.schema.json. */
export function planDocument(plan: Plan): object {
  const { steps, ...rest } = plan;
  return {
    ...rest,
    warnings: boundedDiagnostics(plan.warnings),
    empty: isEmptyPlan(plan),
    summary: isEmptyPlan(plan) ? 'No changes.' : summaryLine(plan),
    counts: countChanges(plan),
    steps: steps.map(({ id, address, action, needs }) => ({ id, address, op: action.op, needs })),
  };
}
