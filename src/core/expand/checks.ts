// Checks over the whole sandbox: volumes that two VMs would destroy, and what nothing uses.
import type { Address } from '../address.ts';
import type { DesiredVm } from '../desired.ts';
import type { Context } from './context.ts';

interface Attachment {
  readonly vm: DesiredVm;
  readonly disk: string;
  readonly volume: Address;
  readonly readonly: boolean;
}

/** Every attachment of a volume must be the only one, or all must read only; SBX2503. */
export function checkVolumes(context: Context, vms: readonly DesiredVm[], groupOf: (vm: DesiredVm) => string): void {
  const attached = new Map<Address, Attachment>();
  for (const found of vms.flatMap(attachmentsOf)) {
    const other = attached.get(found.volume);
    if (other === undefined || other.readonly) attached.set(found.volume, found);
    if (other === undefined || (other.readonly && found.readonly)) continue;
    context.reporter.report('SBX2503', ['vms', groupOf(found.vm), 'disks', found.disk], {
      detail: `${found.volume} is attached to ${other.vm.address} and ${found.vm.address}, and one of them writes to it.`,
      hint: 'give each VM its own volume, or attach it with readonly: true everywhere',
    });
  }
}

function attachmentsOf(vm: DesiredVm): readonly Attachment[] {
  const found: Attachment[] = [];
  for (const [disk, each] of vm.disks)
    if (each.type === 'volume') found.push({ vm, disk, volume: each.volume, readonly: each.readonly });
  return found;
}

/** Warns of variables, templates and images that nothing uses; SBX2601. */
export function warnUnused(context: Context): void {
  const warn = (top: 'variables' | 'templates' | 'images', word: string, used: ReadonlySet<string>) => {
    for (const name of Object.keys(context.root[top] ?? {}))
      if (!used.has(name))
        context.reporter.report('SBX2601', [top, name], { detail: `Nothing uses ${word} "${name}".` }, 'key');
  };
  const { unknownKeys } = context;
  warn('variables', 'variable', context.usedVariables);
  if (unknownKeys.has('template')) return;
  warn('templates', 'template', context.usedTemplates);
  if (!unknownKeys.has('image')) warn('images', 'image', context.usedImages);
}
