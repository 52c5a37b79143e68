// sbx image: the cache of images and the recipes that fill it.
import { renderImages } from '../../core/render/host-text.ts';
import { plainText } from '../../core/render/paint.ts';
import { counted, roughBytes } from '../../core/render/quantity.ts';
import type { CachedImage } from '../../core/render/status-model.ts';
import { type CommandContext, type CommandGroup, defineCommand } from '../command.ts';
import { exitCodes } from '../exit.ts';
import { flag } from '../option.ts';
import { interruptible, look, print, printDocument } from '../terminal.ts';

const list = defineCommand({
  name: 'list',
  aliases: ['ls'],
  summary: 'List the images of the cache',
  arguments: [],
  options: {},
  async run(context) {
    const images = await context.services.images.list();
    if (context.global.json) printDocument(context, { images });
    else print(context, renderImages(images, Date.now(), look(context)));
    return exitCodes.done;
  },
});

const build = defineCommand({
  name: 'build',
  summary: 'Build an image from its recipe',
  details: 'Builds only when the inputs of the recipe changed, unless --force is given.',
  arguments: [{ name: '<recipe>', description: 'a recipe that comes with sbx, as in tiny' }],
  options: { force: flag('--force', 'build it anyway') },
  async run(context, { options, args: [recipe = ''] }) {
    const { signal, off } = interruptible(context);
    const progress = (text: string): void => {
      if (!context.global.json) context.io.stderr.write(`image.${recipe}: ${plainText(text)}\n`);
    };
    try {
      const { image, built } = await context.services.images.build({ recipe, force: options.force, progress, signal });
      if (context.global.json) printDocument(context, { image, built });
      else print(context, `${image.name} ${built ? 'is built' : 'is up to date'}: ${roughBytes(image.sizeBytes)}.\n`);
    } finally {
      off();
    }
    return exitCodes.done;
  },
});

const verify = defineCommand({
  name: 'verify',
  summary: 'Compare cached images with their manifests',
  arguments: [{ name: '[name]', description: 'one image' }],
  options: {},
  async run(context, { args: [name] }) {
    const results = await context.services.images.verify(name);
    if (context.global.json) printDocument(context, { results });
    else print(context, results.map(verdict).join('') || 'No images are cached.\n');
    return results.every((r) => r.problems.length === 0) ? exitCodes.done : exitCodes.error;
  },
});

function verdict({ image, problems }: { readonly image: CachedImage; readonly problems: readonly string[] }): string {
  const lines = problems.length === 0 ? ['is whole'] : ['is damaged', ...problems.map((p) => `  ${plainText(p)}`)];
  return `${image.name} ${image.digest.replace(/^sha256:/, '').slice(0, 12)} ${lines.join('\n')}\n`;
}

const prune = defineCommand({
  name: 'prune',
  summary: 'Remove images that no sandbox uses',
  arguments: [],
  options: { dryRun: flag('--dry-run', 'only say what would go') },
  async run(context, { options }) {
    const gone = await context.services.images.prune({ dryRun: options.dryRun });
    if (context.global.json) printDocument(context, { removed: gone, dry_run: options.dryRun });
    else print(context, pruneWords(context, gone, options.dryRun));
    return exitCodes.done;
  },
});

function pruneWords(context: CommandContext, gone: readonly CachedImage[], dryRun: boolean): string {
  if (gone.length === 0) return 'Every cached image is in use.\n';
  const bytes = gone.reduce((sum, image) => sum + image.sizeBytes, 0);
  const words = `${counted(gone.length, 'image')} ${dryRun ? 'would be' : gone.length === 1 ? 'was' : 'were'} removed`;
  return `${renderImages(gone, Date.now(), look(context))}${words}: ${roughBytes(bytes)}.\n`;
}

export const image: CommandGroup = {
  name: 'image',
  summary: 'Look after images and their cache',
  commands: [list, build, verify, prune],
};
