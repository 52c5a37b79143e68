// Reads the same sockets through the driver, as a plan does.
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { observe } from '../../src/vmm/cloud-hypervisor/observe.ts';
import { eachOf } from './each-of.ts';

async function main(): Promise<void> {
  const paths = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as readonly string[];
  const seen = await eachOf(paths, (path) => observe({ paths: { run: dirname(path), data: dirname(path) } }, 5000));
  process.stdout.write(`${seen.filter(({ state }) => state === 'running').length} running\n`);
}

void main();
