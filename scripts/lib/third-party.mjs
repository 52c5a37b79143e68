// The licence texts of the libraries inside the bundles, which their licences want to go along.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const licenceFile = /^(licen[cs]e|copying|notice)([.-].*)?$/i;

/** One document: each library with its version, its licence and the texts it brings. Takes paths of bundled files below `root`. */
export function thirdParty(files, root) {
  const folders = [...new Set(files.map(packageFolder))].sort();
  // One version may lie in several places.
  const parts = new Set(folders.map((folder) => partOf(join(root, folder))));
  return `sbx contains these libraries.\n\n${[...parts].join('\n')}`;
}

/** `a/node_modules/@scope/name` of a file in it; of nested ones the innermost. */
function packageFolder(file) {
  const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(file);
  if (match === null) throw new Error(`${file} belongs to no package`);
  return match[1];
}

function partOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (typeof license !== 'string') throw new Error(`${name} does not say its licence`);
  const texts = readdirSync(folder)
    .filter((file) => licenceFile.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  const line = '-'.repeat(72);
  return `${line}\n${name} ${version} (${license})\n\n${texts.join('\n\n') || 'It brings no text of its licence.'}\n`;
}
