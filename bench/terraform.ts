// The peer of `sbx plan`: Terraform with as many terraform_data resources, which need no provider and no network.
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BenchFailure, type Command } from './measure.ts';

const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1' };

/** Version of the terraform on PATH; undefined where there is none. */
export function findTerraform(): string | undefined {
  const run = spawnSync('terraform', ['version', '-json'], { encoding: 'utf8', env });
  if (run.status !== 0) return undefined;
  return (JSON.parse(run.stdout) as { terraform_version: string }).terraform_version;
}

/** A project of `count` resources of six attributes with its state; `edited` changes one of them in the configuration. */
export function makeTerraformProject(folder: string, count: number, version: string, edited: boolean): Command {
  mkdirSync(folder, { recursive: true });
  const inputs = Array.from({ length: count }, (_, index) => inputOf(index));
  writeFileSync(
    join(folder, 'main.tf'),
    inputs
      .map((input, index) => resourceText(index, edited && index === 0 ? { ...input, memory: '512MiB' } : input))
      .join('\n'),
  );
  // Written, not applied: Terraform rewrites its state for every resource, so that 5,000 take a quarter of an hour.
  writeFileSync(join(folder, 'terraform.tfstate'), stateText(inputs, version));
  const run = spawnSync('terraform', ['init', '-no-color', '-input=false'], { cwd: folder, encoding: 'utf8', env });
  if (run.status !== 0) throw new BenchFailure(`terraform init: ${run.stderr}`);
  return { argv: ['terraform', 'plan', '-no-color', '-input=false'], cwd: folder, env };
}

type Input = Readonly<Record<string, string>>;

function inputOf(index: number): Input {
  const name = `vm-${index}`;
  return { name, image: 'own', cpus: '1', memory: '256MiB', role: 'worker', index: String(index) };
}

function resourceText(index: number, input: Input): string {
  const attributes = Object.entries(input).map(([key, value]) => `    ${key} = "${value}"`);
  return [`resource "terraform_data" "vm-${index}" {`, '  input = {', ...attributes, '  }', '}', ''].join('\n');
}

function stateText(inputs: readonly Input[], version: string): string {
  const resources = inputs.map((input, index) => {
    const value = {
      value: input,
      type: ['object', Object.fromEntries(Object.keys(input).map((key) => [key, 'string']))],
    };
    return {
      mode: 'managed',
      type: 'terraform_data',
      name: `vm-${index}`,
      provider: 'provider["terraform.io/builtin/terraform"]',
      instances: [
        {
          schema_version: 0,
          attributes: { id: randomUUID(), input: value, output: value, triggers_replace: null },
          sensitive_attributes: [],
        },
      ],
    };
  });
  return JSON.stringify(
    {
      version: 4,
      terraform_version: version,
      serial: 1,
      lineage: randomUUID(),
      outputs: {},
      resources,
      check_results: null,
    },
    null,
    2,
  );
}
