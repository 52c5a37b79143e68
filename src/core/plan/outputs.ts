// Changes of a sandbox's outputs between the last apply and this one.
import type { Json } from '../json.ts';
import type { RecordedOutput, State } from '../state/state.ts';
import type { PlanInputs } from './context.ts';
import type { Plan, PlanValue } from './plan.ts';
import { absent, isSame } from './values.ts';

/** Outputs as they are recorded after an apply. */
export function recordedOutputs(
  inputs: Pick<PlanInputs, 'desired' | 'mode'>,
  hash: (text: string) => string,
): Record<string, RecordedOutput> {
  const result: Record<string, RecordedOutput> = {};
  if (inputs.mode === 'destroy') return result;
  for (const [name, output] of inputs.desired?.outputs ?? []) {
    result[name] = output.sensitive ? { sensitive: hash(textOf(output.value)) } : { value: output.value };
  }
  return result;
}

/** Outputs that this plan changes. */
export function outputChanges(inputs: PlanInputs, hash: (text: string) => string): Plan['outputs'] {
  const was: State['outputs'] = inputs.state?.outputs ?? {};
  const will = recordedOutputs(inputs, hash);
  return [...new Set([...Object.keys(was), ...Object.keys(will)])]
    .filter((name) => !isSame(was[name], will[name]))
    .map((name) => ({ name, from: shownOutput(was[name]), to: shownOutput(will[name]) }));
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function shownOutput(output: RecordedOutput | undefined): PlanValue {
  if (output === undefined) return absent;
  return 'sensitive' in output ? { sensitive: true } : { value: output.value };
}
