// Options that commands which plan have in common, and the request made of them.
import type { Address } from '../core/address.ts';
import { impacts } from '../core/plan/plan.ts';
import { onFailures } from '../core/plan/request.ts';
import { addresses, choice, duration, flag, integer, negative } from './option.ts';
import type { PlanRequest } from './services.ts';

/** What to plan. */
export const planSpecs = {
  target: addresses('--target <address>', 'only this and what it needs; repeatable'),
  replace: addresses('--replace <address>', 'replace this even when nothing changed; repeatable'),
  maxImpact: choice('--max-impact <impact>', impacts, 'refuse a plan that costs more than this'),
  takeOver: flag('--take-over', 'make a sandbox yours that was applied from another folder'),
  wait: negative('--no-wait', 'do not wait until VMs are ready'),
} as const;

/** How to apply. */
export const applySpecs = {
  autoApprove: flag('--auto-approve', 'do not ask'),
  parallelism: integer('--parallelism <n>', { min: 1, max: 1000, fallback: 16 }, 'most steps at a time'),
  timeout: duration('--timeout <duration>', 'most time for all of it, as in 10m; nothing new starts after it'),
  lockTimeout: duration('--lock-timeout <duration>', 'how long to wait for another sbx, as in 30s (default 0s)'),
} as const;

/** What a failure leads to. */
export const failureSpecs = {
  onFailure: choice('--on-failure <what>', onFailures, 'after a step failed: go on with the rest, stop, or undo'),
} as const;

/** A request for everything, to be narrowed. */
export function planRequest(narrowed: Partial<PlanRequest> = {}): PlanRequest {
  const none: readonly Address[] = [];
  return { mode: 'apply', targets: none, replace: none, purge: false, wait: true, takeOver: false, ...narrowed };
}
