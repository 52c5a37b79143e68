// sbx cp: copies files between this host and a guest.
import { resolve } from 'node:path';
import { type Address, parseAddress } from '../../core/address.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { bootTimeout, flag, toVm, usageError } from '../option.ts';
import type { HostEnd } from '../services.ts';
import { interruptible } from '../terminal.ts';

export const cp: CommandDefinition = defineCommand({
  name: 'cp',
  summary: 'Copy files into a VM or out of it',
  details: [
    'One side is VM:PATH, as in web:/etc/hosts. A path of this host that holds a colon is written ./so:far.',
    'The other side may be - for one file on standard input or output; a file of that name is written ./-.',
  ].join(' '),
  arguments: [
    { name: '<from>', description: 'PATH, VM:PATH or -' },
    { name: '<to>', description: 'PATH, VM:PATH or -' },
  ],
  options: { recursive: flag('-r, --recursive', 'folders with all that is in them'), timeout: bootTimeout },
  takesStdin: true,
  async run(context, { options, args }) {
    const [from, to] = args.map((text) => toEnd(text, context.global.cwd));
    const { signal, off } = interruptible(context);
    const rest = {
      recursive: options.recursive,
      io: context.io,
      ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }),
      signal,
    };
    try {
      return await context.services.guests.copy({ ...directionOf(from, to), ...rest });
    } finally {
      off();
    }
  },
});

type End = HostEnd | { readonly where: 'guest'; readonly vm: Address; readonly path: string };

function directionOf(from: End | undefined, to: End | undefined) {
  if (from?.where === 'guest' && to !== undefined && to.where !== 'guest')
    return { direction: 'out', vm: from.vm, path: from.path, to } as const;
  if (to?.where === 'guest' && from !== undefined && from.where !== 'guest')
    return { direction: 'in', vm: to.vm, path: to.path, from } as const;
  throw usageError('Exactly one side of a copy is in a VM.', 'Write it as in:\nsbx cp notes.txt web:/root/');
}

/** `web:/etc/hosts` is in a guest; whatever has a slash before its colon is a path of this host. */
function toEnd(text: string, cwd: string): End {
  if (text === '-') return { where: 'stream' };
  const colon = text.indexOf(':');
  const name = text.slice(0, colon);
  if (colon < 1 || name.includes('/') || parseAddress(name) === undefined)
    return { where: 'host', path: resolve(cwd, text) };
  return { where: 'guest', vm: toVm(name), path: text.slice(colon + 1) };
}
