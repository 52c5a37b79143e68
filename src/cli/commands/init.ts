// sbx init: writes a small commented sandbox file.
import { writeFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { diagnostic } from '../../core/diagnostic.ts';
import { errnoOf } from '../../core/errors.ts';
import { type CommandDefinition, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { choice, usageError } from '../option.ts';
import { failWith } from '../report.ts';
import { stdinName } from '../source-files.ts';
import { templateNames, templateText } from '../templates.ts';
import { print, printDocument } from '../terminal.ts';

export const init: CommandDefinition = defineCommand({
  name: 'init',
  summary: 'Write a small commented sbx.yaml',
  arguments: [],
  options: { template: choice('--template <name>', templateNames, 'which one') },
  async run(context, { options }) {
    const { cwd, files, json } = context.global;
    if (files[0] === stdinName) throw usageError('sbx init writes a file, and - is none.');
    const path = resolve(cwd, files[0] ?? 'sbx.yaml');
    try {
      await writeFile(path, templateText(options.template ?? 'hello', sandboxName(cwd)), { flag: 'wx' });
    } catch (error) {
      const there = errnoOf(error) === 'EEXIST';
      const detail = there ? `${path} is already there.` : `${path} cannot be written: ${errnoOf(error)}.`;
      return failWith(context, [diagnostic(there ? 'SBX0004' : 'SBX0006', { detail })]);
    }
    if (json) printDocument(context, { written: path });
    else print(context, `Wrote ${path}. See what it would do, and do it, with:\n  sbx plan\n  sbx apply\n`);
    return exitCodes.done;
  },
});

/** The folder's name as far as it can name a sandbox. */
function sandboxName(cwd: string): string {
  const name = basename(cwd)
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 31);
  return name === '' ? 'hello' : name;
}
