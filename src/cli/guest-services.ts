// Into a guest: by ssh where the sandbox's namespace reaches it, else through its agent; console and logs need neither.
import { join } from 'node:path';
import type { Address } from '../core/address.ts';
import { SbxError } from '../core/errors.ts';
import { attachConsole } from './attach-console.ts';
import { copyWithGuest } from './copy-with-guest.ts';
import { findGuest, type Guest, mustRun } from './find-guest.ts';
import { followLog } from './follow-log.ts';
import { execByAgent } from './guest-agent.ts';
import { throughSsh } from './guest-ssh.ts';
import type { GuestServices } from './services.ts';
import type { Workplace } from './session.ts';

/** Guest services over a workplace that is opened on first use. */
export function buildGuestServices(workplace: () => Promise<Workplace>): GuestServices {
  const find = async (vm: Address): Promise<Guest> => findGuest(await workplace(), vm);
  /** A guest in which somebody may answer */
  const reach = async (vm: Address): Promise<Guest> => {
    const guest = await find(vm);
    await mustRun(guest);
    return guest;
  };
  return {
    exec: async (command) => {
      const guest = await reach(command.vm);
      if (guest.ssh !== undefined) return await throughSsh(guest, guest.ssh, command);
      if (command.tty || command.user !== undefined) throw unreachable(guest);
      return await execByAgent(guest, command);
    },
    shell: async (target) => {
      const guest = await reach(target.vm);
      if (guest.ssh === undefined) throw unreachable(guest);
      return await throughSsh(guest, guest.ssh, { ...target, argv: [], tty: true });
    },
    copy: async (request) => {
      const guest = await reach(request.vm);
      if (guest.ssh === undefined) throw unreachable(guest);
      return await copyWithGuest(guest, guest.ssh, request);
    },
    console: async ({ vm, io, signal }) => {
      const { driver, ref } = await find(vm);
      await attachConsole(await driver.openConsole(ref), io, signal);
    },
    logs: async ({ vm, source, ...options }) => {
      const { layout, record } = await find(vm);
      const name = source === 'console' ? 'serial.log' : 'vmm.log';
      await followLog(join(layout.vmPaths(record.address).data, name), options);
    },
  };
}

function unreachable({ record }: Guest): SbxError {
  const hint = `Without a terminal it works through the guest agent:\nsbx exec ${record.address} -- COMMAND`;
  return new SbxError('SBX8001', `${record.address} has no network that this host can reach it by`, { hint });
}
