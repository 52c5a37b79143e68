// The sandbox file of the benchmark: as many VMs as asked for, each written out, none by `count`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface FleetFile {
  readonly vms: number;
  /** Whether one VM has another memory size than before */
  readonly edited?: boolean;
  /** VMs on one network; 0 means VMs without any */
  readonly perNetwork?: number;
}

/** Writes `sbx.yaml`, or `edited.yaml`, and the kernel that it names. Gives the path of the file. */
export function writeFleetFile(folder: string, fleet: FleetFile): string {
  mkdirSync(folder, { recursive: true });
  // The fakes boot no kernel; that the file is there is all that sbx asks for.
  writeFileSync(join(folder, 'vmlinuz'), 'not a kernel\n');
  const path = join(folder, fleet.edited ? 'edited.yaml' : 'sbx.yaml');
  writeFileSync(path, formatFleetFile(fleet));
  return path;
}

/** The text of such a file. Every VM takes seven lines or more. */
export function formatFleetFile({ vms, edited = false, perNetwork = 0 }: FleetFile): string {
  const networks = perNetwork === 0 ? 0 : Math.ceil(vms / perNetwork);
  const lines = ['version: 1', 'name: fleet', '', 'images:', '  own: { kernel: ./vmlinuz }', ''];
  if (networks > 0) {
    lines.push('networks:');
    for (let index = 0; index < networks; index++) {
      lines.push(
        `  lan-${index}: { mode: isolated, subnet: 10.${64 + Math.floor(index / 64)}.${(index % 64) * 4}.0/22 }`,
      );
    }
    lines.push('');
  }
  lines.push('vms:');
  for (let index = 0; index < vms; index++) {
    lines.push(
      `  vm-${index}:`,
      '    image: own',
      '    cpus: 1',
      `    memory: ${edited && index === 0 ? '128MiB' : '96MiB'}`,
      '    on_exit: keep',
      '    env:',
      '      ROLE: worker',
      `      INDEX: "${index}"`,
    );
    if (networks > 0) lines.push(`    networks: { lan-${Math.floor(index / perNetwork)}: {} }`);
  }
  return `${lines.join('\n')}\n`;
}
