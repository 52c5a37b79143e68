// A checked document to what is desired: variables, templates, instances, references, addresses, and the checks
// that a schema cannot make.
import { type Address, sandboxAddress } from '../address.ts';
import { type Checked, checkedFrom } from '../checked.ts';
import type { Desired, DesiredResource, DesiredVm, Output } from '../desired.ts';
import type { Document } from '../load/document.ts';
import { allocatorFor } from './addresses.ts';
import { checkVolumes, warnUnused } from './checks.ts';
import type { Context } from './context.ts';
import { noLinks, resolveLinks } from './dependencies.ts';
import { evaluateText } from './evaluate.ts';
import type { ExpandInputs } from './inputs.ts';
import { resolveGroups } from './instances.ts';
import { resolveNetworks } from './networks.ts';
import { publisherFor } from './ports.ts';
import { reporterFor } from './report.ts';
import { resolveImages, resolveVolumes } from './storage.ts';
import { substitute, substituteOpen } from './substitute.ts';
import { resolveVariables } from './variables.ts';
import { durationOf } from './vm-values.ts';
import { desiredVm } from './vms.ts';

export { collectFileReferences } from './file-references.ts';
export {
  type ExpandInputs,
  type FileContent,
  noAllocations,
  type ResolvedPath,
  type VariableInputs,
} from './inputs.ts';

/**
 * What a document declares, complete and free of references. The same document and inputs give the same result.
 * All problems are given together: SBX2xxx, and SBX12xx where a reference brings a value that the schema refuses.
 */
export function expand(document: Document, inputs: ExpandInputs): Checked<Desired> {
  const context = contextFor(document, inputs);
  resolveVariables(context);
  const expiresMs = leaseOf(context);
  resolveNetworks(context);
  resolveVolumes(context);
  resolveImages(context);
  resolveGroups(context);
  const resources = resourcesOf(context, expiresMs);
  const outputs = outputsOf(context);
  if (!context.reporter.hasErrors()) warnUnused(context);
  return checkedFrom(
    () => ({
      name: context.root.name,
      ...(inputs.instance === undefined ? {} : { instance: inputs.instance }),
      folder: inputs.folder,
      ...(expiresMs === undefined ? {} : { expiresMs }),
      resources,
      outputs,
    }),
    context.reporter.diagnostics(),
  );
}

function contextFor(document: Document, inputs: ExpandInputs): Context {
  const context: Context = {
    evaluate: (scope, text) => evaluateText(context, scope, text),
    document,
    root: document.root,
    inputs,
    reporter: reporterFor(document),
    anyReference: document.sources.some(({ text }) => text.includes('${') || text.includes('\\')),
    parsed: new Map(),
    variables: new Map(),
    usedVariables: new Set(),
    usedTemplates: new Set(),
    usedImages: new Set(),
    unknownKeys: new Set(),
    networks: new Map(),
    volumes: new Map(),
    images: new Map(),
    groups: new Map(),
    allocator: undefined,
    publisher: undefined,
    cells: new Map(),
    open: new Set(),
    grown: 0,
    patternWork: 0,
  };
  return context;
}

function leaseOf(context: Context): number | undefined {
  const { expires } = context.root;
  if (expires === undefined) return undefined;
  const text = substituteOpen(context, { shapesFile: true }, expires, ['expires']);
  return text === undefined ? undefined : durationOf(context, String(text), ['expires']);
}

function resourcesOf(context: Context, expiresMs: number | undefined): ReadonlyMap<Address, DesiredResource> {
  const resources = new Map<Address, DesiredResource>();
  const add = (resource: DesiredResource | undefined) => {
    if (resource !== undefined) resources.set(resource.address, resource);
  };
  add({ kind: 'sandbox', address: sandboxAddress, ...(expiresMs === undefined ? {} : { expiresMs }) });
  for (const image of context.images.values()) add(image);
  for (const volume of context.volumes.values()) add(volume);
  for (const network of context.networks.values()) add(network?.desired);
  for (const vm of vmsOf(context)) add(vm);
  return resources;
}

function vmsOf(context: Context): readonly DesiredVm[] {
  const instances = [...context.groups.values()].flatMap((group) => group?.instances ?? []);
  context.allocator = allocatorFor(context, instances);
  context.publisher = publisherFor(context, instances);
  context.publisher.ready();
  const links = resolveLinks(context);
  const groupNames = new Map<Address, string>();
  const open = new Set<Address>();
  const vms: DesiredVm[] = [];
  for (const instance of instances) {
    if (context.reporter.isFull()) break;
    const vm = desiredVm(context, instance, links.get(instance.group.name) ?? noLinks);
    if (vm === undefined) continue;
    vms.push(vm);
    groupNames.set(vm.address, instance.group.name);
    if (instance.group.open) open.add(vm.address);
  }
  const certain = open.size === 0 ? vms : vms.filter(({ address }) => !open.has(address));
  checkVolumes(context, certain, (vm) => groupNames.get(vm.address) ?? '');
  return vms;
}

function outputsOf(context: Context): ReadonlyMap<string, Output> {
  const outputs = new Map<string, Output>();
  for (const [name, written] of Object.entries(context.root.outputs ?? {})) {
    const found = substitute(context, {}, written, ['outputs', name]);
    if (found?.known === true) outputs.set(name, { value: found.value, sensitive: found.sensitive });
  }
  return outputs;
}
