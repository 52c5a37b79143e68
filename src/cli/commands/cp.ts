// sbx cp: copies files between this host and a guest.
import { resolve } from 'node:path';
import { parseAddress } from '../../core/address.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { flag, toVm, usageError } from '../option.ts';
import type { CopyEnd } from '../services.ts';
import { interruptible } from '../terminal.ts';

export const cp: CommandDefinition = defineCommand({
  name: 'cp',
  summary: 'Copy files into a VM or out of it',
  details: 'One side is VM:PATH, as in web:/etc/hosts. A path of this host that holds a colon is written ./so:far.',
  arguments: [
    { name: '<from>', description: 'PATH or VM:PATH' },
    { name: '<to>', description: 'PATH or VM:PATH' },
  ],
  options: { recursive: flag('-r, --recursive', 'folders with all that is in them') },
  takesStdin: true,
  async run(context, { options, args }) {
    const [from, to] = args.map((text) => toEnd(text, context.global.cwd));
    if (from === undefined || to === undefined || from.where === to.where)
      throw usageError('Exactly one side of a copy is in a VM.', 'Write it as in:\nsbx cp notes.txt web:/root/');
    const { signal, off } = interruptible(context);
    try {
      await context.services.guests.copy({ from, to, recursive: options.recursive, signal });
    } finally {
      off();
    }
    return exitCodes.done;
  },
});

/** `web:/etc/hosts` is in a guest; whatever has a slash before its colon is a path of this host. */
function toEnd(text: string, cwd: string): CopyEnd {
  const colon = text.indexOf(':');
  const name = text.slice(0, colon);
  if (colon < 1 || name.includes('/') || parseAddress(name) === undefined)
    return { where: 'host', path: resolve(cwd, text) };
  return { where: 'guest', vm: toVm(name), path: text.slice(colon + 1) };
}
