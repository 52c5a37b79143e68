// Runs commands and measures them: wall time, CPU time, peak memory. Runs of two sides are interleaved, so that noise of
// the machine falls on both; the figure is the median.
import { spawnSync } from 'node:child_process';
import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A command as it is run: nothing of the environment but what stands here. */
export interface Command {
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Exit codes that are no failure; 0 when left out */
  readonly codes?: readonly number[];
}

/** What one run cost. */
export interface Cost {
  readonly wallMs: number;
  /** CPU of the process alone, to 10 ms */
  readonly ownCpuMs: number;
  /** CPU with all children that were waited for */
  readonly treeCpuMs: number;
  readonly peakRssMib: number;
  readonly stdout: string;
}

const meter = join(import.meta.dirname, 'meter.pl');

/** One measured run. Throws when it ends with another code than expected, with what it printed. */
export function measure(command: Command, scratch: string): Cost {
  const out = join(scratch, 'cost.json');
  const stdout = join(scratch, 'stdout');
  const stderr = join(scratch, 'stderr');
  const run = spawnSync('perl', [meter, out, ...command.argv], {
    cwd: command.cwd,
    env: { ...command.env },
    stdio: ['ignore', openSync(stdout, 'w'), openSync(stderr, 'w')],
    timeout: 1_800_000,
  });
  const text = readFileSync(stdout, 'utf8');
  if (!(command.codes ?? [0]).includes(run.status ?? -1)) {
    throw new BenchFailure(
      `${command.argv.join(' ')} ended with ${run.status ?? run.signal}\n${text}${readFileSync(stderr, 'utf8')}`,
    );
  }
  const cost = JSON.parse(readFileSync(out, 'utf8')) as Record<string, number>;
  return {
    wallMs: (cost['wall_s'] ?? 0) * 1000,
    ownCpuMs: (cost['own_cpu_s'] ?? 0) * 1000,
    treeCpuMs: (cost['tree_cpu_s'] ?? 0) * 1000,
    peakRssMib: (cost['peak_rss_kib'] ?? 0) / 1024,
    stdout: text,
  };
}

/** A benchmark that could not be measured, or whose output was wrong. */
export class BenchFailure extends Error {}

/** Runs each side once to warm up and check it, then all sides in turn, `runs` times. Keyed by side. */
export function interleave<S extends string>(
  sides: Readonly<Record<S, () => Cost>>,
  runs: number,
): Readonly<Record<S, Cost>> {
  const names = Object.keys(sides) as S[];
  const costs = new Map<S, Cost[]>(names.map((name) => [name, []]));
  for (const name of names) sides[name]();
  for (let run = 0; run < runs; run++) {
    for (const name of names) costs.get(name)?.push(sides[name]());
  }
  return Object.fromEntries(names.map((name) => [name, medianCost(costs.get(name) ?? [])])) as Record<S, Cost>;
}

/** Median of every figure by itself. */
export function medianCost(costs: readonly Cost[]): Cost {
  const of = (figure: (cost: Cost) => number) => median(costs.map(figure));
  return {
    wallMs: of((cost) => cost.wallMs),
    ownCpuMs: of((cost) => cost.ownCpuMs),
    treeCpuMs: of((cost) => cost.treeCpuMs),
    peakRssMib: of((cost) => cost.peakRssMib),
    stdout: costs.at(-1)?.stdout ?? '',
  };
}

/** Middle value; of an even number of values the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1];
  const high = sorted[Math.floor(middle)];
  if (low === undefined || high === undefined) throw new BenchFailure('a median of nothing');
  return (low + high) / 2;
}
