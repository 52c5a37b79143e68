// Shapes of a file that passed the schema. `Value<T>` may still be text with references in it.

/** A value as written: of its own type, or text with `${…}`. */
export type Value<T> = T | string;

/** A map of a user's file. Its keys are the user's: look them up with `own`. */
export type RawMap<T> = Readonly<Record<string, T>>;

/** Any value of a file. */
export type RawValue = string | number | boolean | null | readonly RawValue[] | { readonly [key: string]: RawValue };

export interface RawVariable {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'list';
  readonly default?: Scalar | readonly Scalar[];
  readonly description?: string;
  readonly sensitive?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly Scalar[];
  readonly pattern?: string;
}

export type Scalar = string | number | boolean;

export interface RawImage {
  readonly build?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly cmdline?: string;
  readonly disk?: string;
}

export interface RawVolume {
  readonly size: string;
  readonly protect?: Value<boolean>;
}

export interface RawNetwork {
  readonly subnet?: string;
  readonly mode?: string;
}

export interface RawDisk {
  readonly size?: string;
  readonly volume?: string;
  readonly readonly?: Value<boolean>;
}

export interface RawNic {
  readonly address?: string;
  readonly ports?: Value<readonly Value<number>[]>;
}

export interface RawReady {
  readonly boot?: Value<boolean>;
  readonly tcp?: Value<number>;
  readonly http?: Value<number> | { readonly port: Value<number>; readonly path?: string };
  readonly exec?: readonly string[];
  readonly timeout?: string;
}

export interface RawLifecycle {
  readonly prevent_destroy?: Value<boolean>;
  readonly ignore_changes?: readonly string[];
  readonly replace_triggered_by?: readonly string[];
}

/** What a template may hold, and a VM too. */
export interface RawTemplate {
  readonly image?: string;
  readonly cmdline?: string;
  readonly hostname?: string;
  readonly cpus?: Value<number> | { readonly count: Value<number>; readonly max?: Value<number> };
  readonly memory?: string | { readonly size: string; readonly max?: string };
  readonly disks?: RawMap<RawDisk>;
  readonly networks?: RawMap<RawNic>;
  readonly ready?: RawReady | 'none';
  readonly depends_on?: RawMap<string> | readonly string[];
  readonly env?: RawMap<Scalar>;
  readonly lifecycle?: RawLifecycle;
  readonly state?: string;
  readonly on_exit?: string;
}

export interface RawVm extends RawTemplate {
  readonly template?: string;
  readonly count?: Value<number>;
  readonly for_each?: Value<readonly (string | number)[] | RawMap<RawValue>>;
}

/** A whole file, after merging. */
export interface RawSandbox {
  readonly version: 1;
  readonly name: string;
  readonly expires?: string;
  readonly variables?: RawMap<RawVariable>;
  readonly images?: RawMap<RawImage>;
  readonly volumes?: RawMap<RawVolume>;
  readonly networks?: RawMap<RawNetwork>;
  readonly templates?: RawMap<RawTemplate>;
  readonly vms?: RawMap<RawVm>;
  readonly outputs?: RawMap<RawValue>;
}

/** The member of a user's map, never one of Object.prototype. */
export function own<T>(map: RawMap<T> | undefined, key: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, key) ? map[key] : undefined;
}

/** Whether a value is a map. */
export function isMap(value: unknown): value is RawMap<unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
