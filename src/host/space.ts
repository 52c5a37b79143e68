// One room for everything a sandbox has on the host besides its VMs: the facade that providers use.
export { type HostFactsOptions, networkPrograms, readHostFacts } from './host-facts.ts';
export { readLease, writeLease } from './lease.ts';
export { type BridgeSpec, ensureBridge, ensureTaps, removeBridge, removeTaps, type TapSpec } from './links.ts';
export { closeSpace, type OpenSpaceOptions, openSpace, openWatcher } from './namespace.ts';
export { type NamespaceSupport, namespaceSupport } from './namespace-support.ts';
export { type ObserveSpaceOptions, observeSpace } from './observe-space.ts';
export { applyRules } from './packet-filter.ts';
export { enterArgv, type SpaceRef, spaceOf } from './space-ref.ts';
export { applyForwards, startUplink, stopUplink } from './uplink.ts';
