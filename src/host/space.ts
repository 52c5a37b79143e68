// One room for everything a sandbox has on the host besides its VMs: the facade that providers use.
export { type HostFactsOptions, readHostFacts } from './host-facts.ts';
export { writeLease } from './lease.ts';
export { type BridgeSpec, ensureBridge, ensureTaps, removeBridge, removeTaps, type TapSpec } from './links.ts';
export {
  closeSpace,
  enterArgv,
  type NamespaceSupport,
  namespaceGuess,
  namespaceSupport,
  type OpenSpaceOptions,
  openSpace,
  type SpaceRef,
  spaceOf,
} from './namespace.ts';
export { type ObserveSpaceOptions, observeSpace } from './observe-space.ts';
export { applyRules } from './packet-filter.ts';
export { applyForwards, startUplink, stopUplink } from './uplink.ts';
