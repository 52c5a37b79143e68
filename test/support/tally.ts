// Counts what generated files led to.
import type { Change, Impact, Plan } from '../../src/core/plan/plan.ts';
import { stepKinds } from './step-kinds.ts';

const actions: readonly Change['action'][] = ['create', 'update', 'replace', 'delete', 'forget'];
const impacts: readonly Impact[] = ['live', 'next-boot', 'restart', 'replace'];

/** Counts over a whole run. */
export class Tally {
  /** Pairs of neighbours that differ */
  pairs = 0;
  applies = 0;
  readonly #counts = new Map<string, number>();

  /** Takes a plan that was applied. */
  take(plan: Plan): void {
    this.applies += 1;
    for (const change of plan.changes) {
      this.#count(`action ${change.action}`);
      if (change.action !== 'update' && change.action !== 'replace') continue;
      for (const field of change.fields) {
        this.#count(`impact ${field.impact}`);
        this.#count(
          `field ${change.address.split('.')[0]} ${field.field.replace(/(disks|networks|env|ports)\..*/, '$1')} ${field.impact}`,
        );
      }
    }
    for (const step of plan.steps) this.#count(`step ${step.action.op}`);
  }

  /** What occurred less than so often, though files alone can lead to it: only a repair resumes. */
  rare(least: { readonly changes: number; readonly steps: number }): readonly string[] {
    const changes = [...actions.map((action) => `action ${action}`), ...impacts.map((impact) => `impact ${impact}`)];
    const steps = stepKinds.filter((op) => op !== 'vm.resume').map((op) => `step ${op}`);
    const times = (name: string): number => this.#counts.get(name) ?? 0;
    return [
      ...changes.filter((name) => times(name) < least.changes),
      ...steps.filter((name) => times(name) < least.steps),
    ];
  }

  /** For people. */
  lines(): readonly string[] {
    const groups = ['action', 'impact', 'step', 'field'].map((group) => {
      const entries = [...this.#counts].filter(([name]) => name.startsWith(`${group} `)).sort(([, a], [, b]) => b - a);
      return `${group}: ${entries.map(([name, count]) => `${name.slice(group.length + 1)} ${count}`).join(', ')}`;
    });
    return [`${this.applies} applies, ${this.pairs} pairs of different files`, ...groups];
  }

  #count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }
}
