// A declared resource with its references replaced and its values checked against the schema once more.
import type { Path } from '../load/document.ts';
import {
  type Validator,
  validateImage,
  validateNetwork,
  validateVm,
  validateVolume,
} from '../load/generated/validate.js';
import type { RawImage, RawNetwork, RawValue, RawVm, RawVolume } from '../load/raw.ts';
import { schemaProblems } from '../load/schema-problems.ts';
import type { Context } from './context.ts';
import { holdsReference, substituteOpen } from './substitute.ts';

interface RawKinds {
  readonly vm: RawVm;
  readonly volume: RawVolume;
  readonly network: RawNetwork;
  readonly image: RawImage;
}

const validators: Readonly<Record<keyof RawKinds, Validator>> = {
  vm: validateVm,
  volume: validateVolume,
  network: validateNetwork,
  image: validateImage,
};

/** A volume, network or image without references, or undefined when that failed and was reported. */
export function resolvedResource<K extends 'volume' | 'network' | 'image'>(
  context: Context,
  kind: K,
  path: Path,
  raw: RawKinds[K],
): RawKinds[K] | undefined {
  if (!context.anyReference || !holdsReference(raw)) return raw;
  const value = substituteOpen(context, { shapesFile: true }, raw as unknown as RawValue, path);
  return value !== undefined && fitsSchema(context, kind, path, value) ? (value as unknown as RawKinds[K]) : undefined;
}

/** Whether a value without references fits the schema of its kind; reports what does not, and does not quote what is quiet. */
export function fitsSchema(
  context: Context,
  kind: keyof RawKinds,
  path: Path,
  value: unknown,
  quiet?: (path: Path) => boolean,
): boolean {
  const validate = validators[kind];
  if (validate(value)) return true;
  for (const problem of schemaProblems(validate.errors ?? [], value, path, quiet)) {
    const { code, detail, hint } = problem.diagnostic;
    context.reporter.report(code, problem.path, hint === undefined ? { detail } : { detail, hint }, problem.aspect);
  }
  return false;
}
