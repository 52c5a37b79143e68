// What commands need from the rest of sbx, as one interface. wire.ts implements it; tests of commands fake it.
import type { Readable, Writable } from 'node:stream';
import type { Address } from '../core/address.ts';
import type { Checked } from '../core/checked.ts';
import type { Desired, Output } from '../core/desired.ts';
import type { Place } from '../core/diagnostic.ts';
import type { DriverName } from '../core/plan/capabilities.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { OnFailure, PlanRequest } from '../core/plan/request.ts';
import type { GarbageReport, Removal } from '../core/render/gc-model.ts';
import type {
  CachedImage,
  DoctorCheck,
  HomeReport,
  LockHolder,
  ShowReport,
  StatusReport,
} from '../core/render/status-model.ts';
import type { ApplyResult, Emit } from '../engine/events.ts';

export type { PlanRequest } from '../core/plan/request.ts';

export const logLevels = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof logLevels)[number];

/** Global options with the environment already applied; nothing below src/cli reads the environment for them. */
export interface GlobalOptions {
  /** -f, in order, as given; empty means sbx.yaml in `cwd` or a parent */
  readonly files: readonly string[];
  /** --instance or SBX_INSTANCE */
  readonly instance?: string;
  /** --var k=v in order, later ones win over earlier; over --var-file, over SBX_VAR_k */
  readonly vars: readonly { readonly name: string; readonly value: string }[];
  readonly varFiles: readonly string[];
  /** SBX_VAR_k of the environment, keyed by k */
  readonly environmentVars: Readonly<Record<string, string>>;
  readonly vmm: 'auto' | DriverName;
  readonly json: boolean;
  readonly color: boolean;
  readonly logLevel: LogLevel;
  /** --sandbox: `shop` or `shop@pr-17`, for commands that can do without the file */
  readonly sandbox?: string;
  /** --home or SBX_HOME */
  readonly home?: string;
  /** Absolute folders that a file may name files in, beside its own */
  readonly allowPaths: readonly string[];
  readonly allowPublicPorts: boolean;
  readonly allowHostLoopback: boolean;
  /** Gives the whole of standard input, the same at every call; for the file named `-` */
  readonly stdin?: () => Promise<Checked<string>>;
  /** Working directory, absolute */
  readonly cwd: string;
  /** Version of sbx */
  readonly version: string;
}

/** The streams of the process, or those of a test. */
export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };
}

/** A file that was read and expanded. */
export interface Loaded {
  readonly desired: Desired;
  /** Files that it was made of, absolute */
  readonly files: readonly string[];
  /** Variables without a value: what depends on them was checked as far as that is possible */
  readonly unknown?: readonly string[];
}

export interface ApplyOptions {
  readonly emit: Emit;
  /** Most steps that run at a time */
  readonly parallelism: number;
  /** How long to wait for the lock in `ms`; 0 means not at all */
  readonly lockTimeoutMs: number;
  /** First Ctrl-C: finish or undo what runs, start nothing, write the state */
  readonly signal: AbortSignal;
  /** Default `continue` */
  readonly onFailure?: OnFailure;
  /** Most time of the whole apply in `ms`; absent means any */
  readonly timeoutMs?: number;
}

/** A plan with all that is needed to carry it out. Made without the lock. */
export interface Planned {
  readonly plan: Plan;
  /** Whoever was applying while this was planned */
  readonly busy?: LockHolder;
  /** What an apply records although nothing changes, in words for users: whose folder or files the sandbox is from now on */
  readonly records?: string;
  /** Applies exactly this plan. Fails with SBX4001 (lock), SBX3001 (the world moved); failures of steps are in the result. */
  apply(options: ApplyOptions): Promise<Checked<ApplyResult>>;
  /** Writes the plan with what it relied on, mode 0600 */
  save(path: string): Promise<void>;
}

/** A VM of the recorded sandbox, canonical. */
export interface GuestTarget {
  readonly vm: Address;
}

export interface GuestCommand extends GuestTarget {
  readonly argv: readonly string[];
  readonly io: Io;
  /** Whether the guest gets a terminal */
  readonly tty: boolean;
  readonly user?: string;
  readonly signal: AbortSignal;
  /** How long to wait for a guest that does not answer yet, in `ms`; absent: while it may be booting */
  readonly timeoutMs?: number;
}

/** The end of a copy that is no guest: a path of this host, or a standard stream. */
export type HostEnd = { readonly where: 'host'; readonly path: string } | { readonly where: 'stream' };

/** A copy between this host and `path` in a guest. */
export type CopyRequest = GuestTarget &
  Pick<GuestCommand, 'io' | 'signal' | 'timeoutMs'> & { readonly path: string; readonly recursive: boolean } & (
    | { readonly direction: 'in'; readonly from: HostEnd }
    | { readonly direction: 'out'; readonly to: HostEnd }
  );

/** Into the guest. Failures to get there throw SBX8xxx. */
export interface GuestServices {
  /** Runs a command with the given streams; gives the command's own exit code. */
  exec(command: GuestCommand): Promise<number>;
  /** An interactive shell; gives its exit code. */
  shell(target: GuestTarget & Pick<GuestCommand, 'io' | 'user' | 'signal' | 'timeoutMs'>): Promise<number>;
  /** Gives an exit code; what was left out is named on standard error. */
  copy(request: CopyRequest): Promise<number>;
  /** Connects the streams to the guest's console until Ctrl-] or the end of the VM. */
  console(target: GuestTarget & { readonly io: Io; readonly signal: AbortSignal }): Promise<void>;
  /** Writes the end of a log, then what is added to it while `follow`. */
  logs(request: {
    readonly vm: Address;
    /** The serial console of the guest, or the VMM's own words */
    readonly source: 'console' | 'vmm';
    /** Last lines to begin with; absent means all */
    readonly lines?: number;
    readonly follow: boolean;
    /** Resolves when the chunk is out; with false when nothing can be written any more, which ends it */
    readonly write: (chunk: Uint8Array) => Promise<boolean>;
    readonly signal: AbortSignal;
  }): Promise<void>;
}

export interface ImageServices {
  list(): Promise<readonly CachedImage[]>;
  /** Builds a recipe when its inputs changed, or always with `force`. */
  build(request: {
    readonly recipe: string;
    readonly force: boolean;
    readonly progress: (text: string) => void;
    readonly signal: AbortSignal;
  }): Promise<{ readonly image: CachedImage; readonly built: boolean }>;
  /** Compares the cached files with their manifest; all images when `name` is absent. */
  verify(name?: string): Promise<readonly { readonly image: CachedImage; readonly problems: readonly string[] }[]>;
  /** Images that no sandbox of this home uses; removes them unless `dryRun`. */
  prune(request: { readonly dryRun: boolean }): Promise<readonly CachedImage[]>;
}

/** What gc found, and the way to remove it. */
export interface FoundGarbage {
  readonly report: GarbageReport;
  /** Removes what was found and still is garbage; per sandbox under its lock */
  remove(options: { readonly lockTimeoutMs: number; readonly signal: AbortSignal }): Promise<Removal>;
}

/**
 * Everything commands call. Made once per process by `createServices(options: GlobalOptions): Services` of wire.ts, which
 * loads costly parts on first use. What a user can cause comes back as `Checked`; what broke is thrown as SbxError.
 */
export interface Services {
  /** Reads, checks and expands the file, with unknown values for variables that have none; touches nothing else of the host. */
  loadDesired(): Promise<Checked<Loaded>>;
  /** Loads, observes, plans. Takes no lock, writes nothing. */
  plan(request: PlanRequest): Promise<Checked<Planned>>;
  /** A plan of a file made by `save`; fails with SBX3001 when the file, state or host moved since. */
  openPlan(path: string): Promise<Checked<Planned>>;
  /** Live table; reads the file only for the sandbox's name. */
  status(): Promise<Checked<StatusReport>>;
  /** Every sandbox of this home; reads no file and asks no VMM. */
  statusAll(): Promise<HomeReport>;
  /** Recorded and observed of one address or of all. Fails when nothing was ever applied. */
  show(address?: Address): Promise<Checked<ShowReport>>;
  /** Outputs of the file as last applied; sensitive ones with their value. */
  outputs(): Promise<Checked<ReadonlyMap<string, Output>>>;
  doctor(): Promise<readonly DoctorCheck[]>;
  /** Looks for what nobody needs any more; with `purge` volumes of sandboxes that are gone count. Writes nothing. */
  gc(request: { readonly purge: boolean }): Promise<FoundGarbage>;
  /** The source line of a place, for the caret */
  sourceLine?(place: Place): string | undefined;
  readonly guests: GuestServices;
  readonly images: ImageServices;
}
