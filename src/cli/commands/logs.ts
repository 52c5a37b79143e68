// sbx logs: what a guest wrote to its console, or its VMM about itself.
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { flag, integer, toVm } from '../option.ts';
import { plainStream } from '../plain-stream.ts';
import { interruptible } from '../terminal.ts';
import { writeOut } from '../write-out.ts';

export const logs: CommandDefinition = defineCommand({
  name: 'logs',
  summary: 'Show the console log of a VM',
  details: 'On a terminal control sequences of the guest are shown as text, such as \\x1b[6n.',
  arguments: [{ name: '<vm>', description: 'the VM, as in web, web[0] or job.a' }],
  options: {
    follow: flag('-f, --follow', 'go on with what is added, until Ctrl-C'),
    lines: integer('-n, --lines <n>', { min: 0, max: 1_000_000, fallback: 200 }, 'last lines to begin with'),
    vmmLog: flag('--vmm-log', "the VMM's own log"),
    all: flag('--all', 'all lines'),
    raw: flag('--raw', 'control sequences as they are, also to a terminal'),
  },
  async run(context, { options, args: [name = ''] }) {
    const { signal, off } = interruptible(context);
    const { stdout } = context.io;
    // A guest may write what steers the terminal; a file or a pipe gets the bytes as they are.
    const shown = plainStream((text) => void stdout.write(text));
    const write = async (chunk: Uint8Array): Promise<boolean> => {
      if (options.raw || stdout.isTTY !== true) return await writeOut(stdout, chunk);
      shown.write(chunk);
      return await writeOut(stdout, Buffer.alloc(0));
    };
    try {
      await context.services.guests.logs({
        vm: toVm(name),
        source: options.vmmLog ? 'vmm' : 'console',
        ...(options.all ? {} : { lines: options.lines }),
        follow: options.follow,
        write,
        signal,
      });
    } finally {
      shown.end();
      off();
    }
    return exitCodes.done;
  },
});
