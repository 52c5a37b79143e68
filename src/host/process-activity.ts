// What a silent process does, as the kernel counts it: nothing, its work, or waiting for a CPU or a disk that it does not get.
import { readdirSync, readFileSync } from 'node:fs';

/** One thread at one moment. */
export interface ThreadSample {
  readonly name: string;
  /** Letter of proc_pid_stat(5): R runs or waits for a CPU, D waits for a disk or the like, T is stopped */
  readonly state: string;
  /** Time on a CPU, in `ms` */
  readonly ranMs: number;
  /** Time spent runnable without a CPU, in `ms`; counted when the thread gets one */
  readonly waitedMs: number;
}

/** All threads of a process at one moment. */
export interface ActivitySample {
  /** Monotonic clock in `ms` */
  readonly atMs: number;
  readonly threads: ReadonlyMap<string, ThreadSample>;
}

/** What a process did between two samples. */
export type Activity =
  /** All of it is held by a signal or a debugger */
  | 'stopped'
  /** Its vCPUs used time: the guest goes on */
  | 'guest runs'
  /** A thread is ready and gets no CPU, or hardly any */
  | 'starved'
  /** A thread hangs in the kernel, waiting for a disk as a rule */
  | 'blocked'
  /** Its vCPUs did nothing, and nothing keeps it from working */
  | 'idle'
  /** Nothing that tells: it has no threads that are known for vCPUs */
  | 'unknown';

/** Names that Cloud Hypervisor and QEMU (with debug-threads) give the threads of vCPUs. */
const vcpuName = /^(vcpu\d+|CPU \d+\/\w+)/;

/** Part of the time without a CPU from which a thread counts as starved. */
const starvedPart = 0.2;

/** The threads of a process now; undefined when it is gone or may not be looked at. */
export function sampleActivity(pid: number): ActivitySample | undefined {
  const tasks = `/proc/${pid}/task`;
  try {
    const threads = readdirSync(tasks).flatMap((id) => {
      const thread = sampleThread(`${tasks}/${id}`);
      return thread === undefined ? [] : [[id, thread] as const];
    });
    return threads.length === 0 ? undefined : { atMs: performance.now(), threads: new Map(threads) };
  } catch {
    // Gone, or not ours to look at.
    return undefined;
  }
}

function sampleThread(folder: string): ThreadSample | undefined {
  try {
    const stat = readFileSync(`${folder}/stat`, 'latin1');
    const nameEnd = stat.lastIndexOf(')');
    // Time run, time waited, time slices; kernels without CONFIG_SCHED_INFO have zeros or no such file.
    const [ranNs, waitedNs] = readFileSync(`${folder}/schedstat`, 'latin1').split(' ').map(Number);
    return {
      name: stat.slice(stat.indexOf('(') + 1, nameEnd),
      state: stat.charAt(nameEnd + 2),
      ranMs: (ranNs ?? 0) / 1e6,
      waitedMs: (waitedNs ?? 0) / 1e6,
    };
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

/** Whether nothing of a process can run until somebody lets it go on. */
export function isStopped({ threads }: ActivitySample): boolean {
  return [...threads.values()].every(({ state }) => state === 'T' || state === 't');
}

/** What happened between two samples of one process, the earlier one first. */
export function activityBetween(before: ActivitySample, after: ActivitySample): Activity {
  if (isStopped(before) && isStopped(after)) return 'stopped';
  const elapsedMs = after.atMs - before.atMs;
  const pairs = [...after.threads].flatMap(([id, now]) => {
    const then = before.threads.get(id);
    return then === undefined ? [] : [{ then, now, ranMs: now.ranMs - then.ranMs }];
  });
  const vcpus = pairs.filter(({ now }) => vcpuName.test(now.name));
  if (vcpus.some(({ ranMs }) => ranMs > 0)) return 'guest runs';
  if (pairs.some((pair) => withoutCpuMs(pair, elapsedMs) >= elapsedMs * starvedPart)) return 'starved';
  if (pairs.some(({ then, now }) => then.state === 'D' && now.state === 'D')) return 'blocked';
  return vcpus.length === 0 ? 'unknown' : 'idle';
}

/** A wait that has not ended is counted nowhere: a thread that was ready both times and never ran has waited all the time. */
function withoutCpuMs(
  { then, now, ranMs }: { readonly then: ThreadSample; readonly now: ThreadSample; readonly ranMs: number },
  elapsedMs: number,
): number {
  const never = then.state === 'R' && now.state === 'R' && ranMs === 0;
  return never ? elapsedMs : now.waitedMs - then.waitedMs;
}
