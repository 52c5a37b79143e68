// The table of kinds: what the planner knows of each. The compiler lists a kind that is missing.
import type { RulesTable } from '../core/plan/context.ts';
import { imageRules } from './image/rules.ts';
import { networkRules } from './network/rules.ts';
import { sandboxRules } from './sandbox/rules.ts';
import { vmRules } from './vm/rules.ts';
import { volumeRules } from './volume/rules.ts';

export const kindRules: RulesTable = {
  sandbox: sandboxRules,
  image: imageRules,
  volume: volumeRules,
  network: networkRules,
  vm: vmRules,
};
