// Published ports that lie side by side, as one: how ranges are shown. Pure.
import type { PublishedPort } from './desired.ts';

/** Ports of the host and of a guest that go up together, `length` of them from `first` on. */
export interface PortRun<P extends PublishedPort> {
  readonly first: P;
  readonly length: number;
}

/** Folds neighbours in a list whose ports follow each other on both ends and that are `alike` in everything else. */
export function portRuns<P extends PublishedPort>(
  ports: readonly P[],
  alike: (a: P, b: P) => boolean = () => true,
): readonly PortRun<P>[] {
  const runs: { first: P; length: number }[] = [];
  for (const port of ports) {
    const run = runs.at(-1);
    if (run !== undefined && follows(port, run) && alike(run.first, port)) run.length += 1;
    else runs.push({ first: port, length: 1 });
  }
  return runs;
}

function follows<P extends PublishedPort>(port: P, { first, length }: PortRun<P>): boolean {
  return (
    port.hostIp === first.hostIp &&
    port.protocol === first.protocol &&
    port.hostPort === first.hostPort + length &&
    port.guestPort === first.guestPort + length
  );
}

/** `3000`, or `3000-3002` for three ports. */
export function spanText(first: number, length: number): string {
  return length === 1 ? `${first}` : `${first}-${first + length - 1}`;
}
