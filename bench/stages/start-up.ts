// Start-up: what sbx costs before it does anything, over a Node that does nothing.
import { join } from 'node:path';
import { BenchFailure, type Cost, interleave, measure } from '../measure.ts';
import { type StageContext, type StageResult, sbxCommand, sbxEnvironment } from '../stage.ts';

/** `sbx --version` and `sbx validate examples/hello` beside `node -e 0`. */
export async function startUp(context: StageContext): Promise<StageResult> {
  const env = sbxEnvironment(join(context.scratch, 'home'));
  const cwd = context.package;
  const file = join(context.package, 'examples/hello/sbx.yaml');
  const run = (args: readonly string[], expected: RegExp) => (): Cost => {
    const cost = measure(sbxCommand(context, args, { cwd, env }), context.scratch);
    if (!expected.test(cost.stdout)) throw new BenchFailure(`sbx ${args.join(' ')} printed: ${cost.stdout}`);
    return cost;
  };
  const costs = interleave(
    {
      node: () => measure({ argv: [process.execPath, '-e', '0'], cwd, env }, context.scratch),
      version: run(['--version'], /^\d+\.\d+\.\d+\n$/),
      validate: run(['validate', '-f', file], /./),
    },
    25,
  );
  const floor = { name: 'node -e 0', value: costs.node.wallMs };
  return {
    rows: [
      { stage: 'start-up', name: 'sbx --version', unit: 'ms', value: costs.version.wallMs, floor, target: 1.3 },
      {
        stage: 'start-up',
        name: 'sbx validate examples/hello',
        unit: 'ms',
        value: costs.validate.wallMs,
        floor,
        target: 2,
      },
    ],
    missing: [],
  };
}
