// Where a sensitive value may be found after an apply: in the seed of its VM, and nowhere else.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../../src/core/plan/plan.ts';
import { renderOutcome } from '../../src/core/render/outcome-text.ts';
import { planDocument } from '../../src/core/render/plan-json.ts';
import { renderPlanMarkdown } from '../../src/core/render/plan-markdown.ts';
import { renderPlan } from '../../src/core/render/plan-text.ts';
import type { ApplyResult } from '../../src/engine/events.ts';
import { processesOf } from './sandbox-host.ts';

/** Stands in every sensitive value of generated files, and in nothing else of them. */
export const secretMark = 'Hunter2';

/** Everything that tells a sensitive value of generated files although it should not. */
export function whoTells(home: string, plan: Plan, result: ApplyResult): readonly string[] {
  const look = { color: false, width: 200 };
  const shown: Readonly<Record<string, string>> = {
    'the plan as text': renderPlan(plan, look),
    'the plan as Markdown': renderPlanMarkdown(plan, undefined),
    'the plan as JSON': JSON.stringify([plan, planDocument(plan)]),
    'the result of the apply': JSON.stringify(result),
    'the end of the apply': renderOutcome(plan, result, look),
  };
  const words = Object.entries(shown).flatMap(([what, text]) => (text.includes(secretMark) ? [what] : []));
  return [...words, ...filesThatTell(home), ...processesThatTell(home)];
}

function filesThatTell(folder: string): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesThatTell(path);
    // Guests write disks; what sbx writes is small
    if (!entry.isFile() || entry.name === 'seed.img' || statSync(path).size > 8 * 1024 * 1024) return [];
    return readFileSync(path, 'latin1').includes(secretMark) ? [path] : [];
  });
}

function processesThatTell(home: string): readonly string[] {
  return processesOf(home).flatMap(({ pid, words }) => {
    const environment = readQuietly(`/proc/${pid}/environ`);
    return `${words}${environment}`.includes(secretMark) ? [`process ${words}`] : [];
  });
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    // It ended meanwhile
    return '';
  }
}
