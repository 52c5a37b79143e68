// Loads and expands a text in one go, with inputs that a test overrides where it cares.
import { compilePatterns } from '../../src/cli/patterns.ts';
import type { Checked } from '../../src/core/checked.ts';
import type { Desired, DesiredVm } from '../../src/core/desired.ts';
import { type ExpandInputs, expand, noAllocations } from '../../src/core/expand/index.ts';
import { loadDocument } from '../../src/core/load/index.ts';

export const plainInputs: ExpandInputs = {
  folder: '/work',
  variables: { flags: {}, files: [], environment: {} },
  files: new Map(),
  patterns: new Map(),
  resolvePath: (path) => ({ path: `/work/${path.replace(/^\.\//, '')}` }),
  allocations: noAllocations,
  allowPublicPorts: false,
};

/** A file with an image `base`, and the given text after it. */
export const withImage = (text: string): string => `version: 1\nname: shop\nimages: { base: { build: tiny } }\n${text}`;

/** Expands a text; problems of loading come out the same way. */
export function expandText(text: string, inputs: Partial<ExpandInputs> = {}): Checked<Desired> {
  const loaded = loadDocument([{ path: 'sbx.yaml', text }]);
  return loaded.ok ? expand(loaded.value, { ...plainInputs, ...inputs }) : loaded;
}

/** `CODE line:column` of every error, in the order found. */
export function problemsOf(text: string, inputs: Partial<ExpandInputs> = {}): readonly string[] {
  const found = expandText(text, inputs);
  if (found.ok) return [];
  return found.diagnostics
    .filter(({ severity }) => severity === 'error')
    .map(({ code, place }) => `${code} ${place?.line}:${place?.column}`);
}

/** The VMs of a text that must expand, by address. */
export function vmsOf(text: string, inputs: Partial<ExpandInputs> = {}): Readonly<Record<string, DesiredVm>> {
  const found = expandText(text, inputs);
  if (!found.ok) return {};
  const vms = [...found.value.resources.values()].filter((each) => each.kind === 'vm');
  return Object.fromEntries(vms.map((vm) => [vm.address, vm]));
}

/** The patterns of a text, compiled as the rim does it. */
export async function patternsOf(text: string): Promise<ExpandInputs['patterns']> {
  const loaded = loadDocument([{ path: 'sbx.yaml', text }]);
  return loaded.ok ? await compilePatterns(loaded.value.root) : new Map();
}
