// Networks on the host: bridges inside the sandbox's namespace.
import { shortName } from '../../core/address.ts';
import { bridgeMac, bridgeName } from '../../core/link-names.ts';
import type { Performers } from '../../engine/provider.ts';
import { ensureBridge, removeBridge, spaceOf } from '../../host/space.ts';
import { connectivityIn, sandboxFacts, spaceIn } from '../shell.ts';

export function networkPerformers(): Pick<Performers, 'network.ensure' | 'network.remove'> {
  return {
    'network.ensure': async ({ gateway, prefix }, context) => {
      const name = shortName(context.address);
      if (connectivityIn(context) === 'user-net') return {};
      const bridge = bridgeName(name);
      await ensureBridge(spaceIn(context), { ifname: bridge, address: gateway, prefix, mac: bridgeMac(name) });
      return { bridge };
    },
    'network.remove': async (_action, context) => {
      const space = spaceOf(sandboxFacts(context));
      if (space !== undefined) await removeBridge(space, bridgeName(shortName(context.address)));
      return undefined;
    },
  };
}
