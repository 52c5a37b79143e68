// What the planner hands to the rules of each kind, and what they hand back.
import type { Address, Kind } from '../address.ts';
import type { Desired, DesiredResource } from '../desired.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Observed } from '../observed.ts';
import type { Attrs, ResourceRecord, State } from '../state/state.ts';
import type { Capabilities } from './capabilities.ts';
import type { Change, Drift, DriverChoice } from './plan.ts';
import type { Step } from './steps.ts';

/** Everything a plan is made from. */
export interface PlanInputs {
  readonly mode: 'apply' | 'destroy';
  /** What the file says; not needed to destroy */
  readonly desired?: Desired;
  /** State with its journal replayed; absent before the first apply */
  readonly state?: State;
  readonly observed: Observed;
  readonly driver?: DriverChoice;
  /** Keyed hash that stands for sensitive text */
  readonly hash: (text: string) => string;
  readonly options: PlanOptions;
}

export interface PlanOptions {
  /** Only these and what they need; empty means everything */
  readonly targets: readonly Address[];
  /** Targets without what they need: `sbx start` touches only the VMs that it names */
  readonly only: boolean;
  /** Replaced although nothing asks for it */
  readonly replace: readonly Address[];
  /** `sbx stop` and `sbx start`: VM → whether it is held stopped */
  readonly holds: ReadonlyMap<Address, boolean>;
  /** VMs to restart although nothing asks for it */
  readonly restart: readonly Address[];
  /** Whether protected volumes go too */
  readonly purge: boolean;
  /** Whether VMs may start where a network of mode nat leads to the loopback of this host */
  readonly allowHostLoopback: boolean;
}

export const noOptions: PlanOptions = {
  targets: [],
  only: false,
  replace: [],
  holds: new Map(),
  restart: [],
  purge: false,
  allowHostLoopback: false,
};

/** What rules may look at beside their own resource. */
export interface PlanContext {
  readonly mode: 'apply' | 'destroy';
  readonly observed: Observed;
  readonly capabilities: Capabilities | undefined;
  readonly hash: (text: string) => string;
  readonly options: PlanOptions;
  readonly desired: ReadonlyMap<Address, DesiredResource>;
  /** Attributes that a resource will have after apply; undefined when it goes */
  readonly plannedAttrs: (address: Address) => Attrs | undefined;
  readonly record: (address: Address) => ResourceRecord | undefined;
  /** Recorded and planned resources that name this one in `dependsOn` */
  readonly dependants: (address: Address) => readonly Address[];
  /** Whether this plan changes a resource that was planned before this one */
  readonly changes: (address: Address) => boolean;
  /** Adds a diagnostic to the plan; errors make it fail */
  readonly report: (found: Diagnostic) => void;
}

/**
 * Points in the course of a change that steps of other resources wait for. `released`: what it was before has ended, and
 * what it no longer uses is free; `gone`: the end of all its steps.
 */
export type Point = 'released' | 'present' | 'started' | 'ready' | 'gone';

/** A step before its needs are resolved. */
export interface DraftStep extends Omit<Step, 'needs'> {
  /** Steps of the same resource, by id */
  readonly needs: readonly string[];
  readonly requires?: readonly { readonly address: Address; readonly point: Point }[];
  /** The point that is reached when this step is done */
  readonly reaches?: readonly Exclude<Point, 'gone'>[];
}

/** What rules make of one resource. */
export interface Outcome {
  readonly change?: Change;
  readonly steps: readonly DraftStep[];
  readonly drift: readonly Drift[];
}

export const noOutcome: Outcome = { steps: [], drift: [] };

/** A resource in the plan's view: what it shall be, what it was. At least one of the two is there. */
export interface Subject<A extends Attrs, R extends ResourceRecord> {
  readonly address: Address;
  /** Absent when it shall go */
  readonly attrs: A | undefined;
  /** Absent when it is new */
  readonly record: R | undefined;
  readonly dependsOn: readonly Address[];
}

/** The rules of one kind: pure functions. */
export interface KindRules<K extends Kind> {
  /** Desired attributes in recorded form. Called in order of dependencies */
  readonly toAttrs: (desired: Extract<DesiredResource, { kind: K }>, context: PlanContext) => RecordOf<K>['attrs'];
  /** What must be there before it and go after it */
  readonly dependsOn: (
    desired: Extract<DesiredResource, { kind: K }>,
    attrs: RecordOf<K>['attrs'],
  ) => readonly Address[];
  readonly plan: (subject: Subject<RecordOf<K>['attrs'], RecordOf<K>>, context: PlanContext) => Outcome;
}

export type RecordOf<K extends Kind> = Extract<ResourceRecord, { kind: K }>;

/** One entry per kind; the compiler lists what is missing. */
export type RulesTable = { readonly [K in Kind]: KindRules<K> };
