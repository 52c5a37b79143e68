// Packages of Debian and Ubuntu through apt: which ones, downloaded and verified by apt, unpacked without root.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SbxError } from '../core/errors.ts';
import { run, tryRun } from '../host/exec.ts';

/** A package as the manifest records it; sha256 in hexadecimal, as apt's signed index says and the file has. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
}

interface Candidate extends PackageRecord {
  readonly section: string;
}

interface Options {
  readonly signal?: AbortSignal;
}

const environment = { ...process.env, LC_ALL: 'C.UTF-8' };

/** `debian`, `ubuntu` or whatever of the two os-release says this system is like. Throws SBX7003 for others. */
export async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string): string => new RegExp(`^${key}="?([^"\n]*)"?$`, 'm').exec(text)?.[1] ?? '';
  const found = [value('ID'), ...value('ID_LIKE').split(' ')].find((id) => id === 'debian' || id === 'ubuntu');
  if (found !== undefined) return found;
  throw new SbxError(
    'SBX7003',
    `images are built from packages of Debian or Ubuntu; this is ${value('ID') || 'neither'}`,
    {
      hint: 'Use an image with kernel:, initrd: and disk: of your own, or copy a built image cache from such a system.',
    },
  );
}

/** Names of the kernel package that the first known of these packages leads to, and of those with its modules. */
export async function kernelPackages(metaPackages: readonly string[], options: Options): Promise<readonly string[]> {
  for (const meta of metaPackages) {
    const name = await followToKernel(meta, options);
    if (name === undefined) continue;
    return [name, ...(await dependsOf(name, options)).filter((other) => /^linux-modules-\d/.test(other))];
  }
  throw new SbxError('SBX7004', `apt knows none of ${metaPackages.join(', ')}`, { hint: 'Run:\nsudo apt-get update' });
}

async function followToKernel(meta: string, options: Options): Promise<string | undefined> {
  for (let name = meta, depth = 0; depth < 4; depth++) {
    if (/^linux-image-\d/.test(name)) return name;
    const kernel = (await dependsOf(name, options)).find((candidate) => /^linux-image-/.test(candidate));
    if (kernel === undefined) return undefined;
    name = kernel;
  }
  return undefined;
}

async function dependsOf(name: string, options: Options): Promise<readonly string[]> {
  const { stdout } = await tryRun(['apt-cache', 'depends', '--important', '--', name], {
    ...options,
    env: environment,
  });
  return [...stdout.matchAll(/^\s*(?:Pre)?Depends: (\S+)$/gm)].map((match) => match[1] ?? '');
}

/** Names of the libraries that these packages need, as apt resolves them for an empty system. */
export async function libraryPackages(
  roots: readonly string[],
  work: string,
  options: Options,
): Promise<readonly string[]> {
  const status = join(work, 'status');
  await writeFile(status, '');
  const stdout = await apt(
    ['apt-get', 'install', '--print-uris', '-qq', '--no-install-recommends', '-o', `Dir::State::status=${status}`]
      // What lies in apt's own cache already would be left out of the list.
      .concat(['-o', `Dir::Cache::archives=${join(work, 'no-archives')}`])
      .concat(['-o', 'Debug::NoLocking=1', '--'])
      .concat(roots),
    options,
  );
  const names = [...stdout.matchAll(/^'[^']*' ([^_\s]+)_/gm)].map((match) => match[1] ?? '');
  const candidates = await describePackages(names, options);
  // What the packages' install scripts would need (Perl) is no library of theirs.
  return candidates
    .filter(({ name, section }) => /(?:^|\/)libs$/.test(section) && !name.includes('perl'))
    .map(({ name }) => name);
}

/** Downloads packages into `folder` (apt verifies), checks their digests once more and unpacks them into `tree`. */
export async function fetchPackages(
  names: readonly string[],
  folder: string,
  tree: string,
  options: Options & { readonly onProgress?: (text: string) => void },
): Promise<readonly PackageRecord[]> {
  const candidates = await describePackages([...new Set(names)].sort(), options);
  await mkdir(folder, { recursive: true });
  await mkdir(tree, { recursive: true });
  options.onProgress?.(`downloading ${candidates.length} packages`);
  const wanted = candidates.map(({ name, version }) => `${name}=${version}`);
  // As root apt would drop to a user that cannot write here, and warn.
  const sandbox = process.getuid?.() === 0 ? ['-o', 'APT::Sandbox::User=root'] : [];
  await apt(['apt-get', 'download', '-qq', ...sandbox, '--', ...wanted], { ...options, cwd: folder });
  const files = await digests(folder);
  for (const [index, candidate] of candidates.entries()) {
    const file = files.get(candidate.sha256);
    if (file === undefined)
      throw new SbxError(
        'SBX7004',
        `the download of ${candidate.name} ${candidate.version} has another digest than apt says`,
      );
    options.onProgress?.(`package ${index + 1} of ${candidates.length}: ${candidate.name}`);
    await run(['dpkg-deb', '-x', join(folder, file), tree], { timeoutMs: 120_000, ...options });
  }
  return candidates.map(({ name, version, sha256 }) => ({ name, version, sha256 }));
}

async function digests(folder: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  for (const file of (await readdir(folder)).filter((name) => name.endsWith('.deb'))) {
    found.set(
      createHash('sha256')
        .update(await readFile(join(folder, file)))
        .digest('hex'),
      file,
    );
  }
  return found;
}

async function describePackages(names: readonly string[], options: Options): Promise<readonly Candidate[]> {
  if (names.length === 0) return [];
  const stdout = await apt(['apt-cache', 'show', '--no-all-versions', '--', ...names], options);
  const found = stdout
    .split(/\n\n+/)
    .filter((stanza) => stanza.includes('Package:'))
    .map((stanza) => {
      const value = (key: string): string => new RegExp(`^${key}: (.*)$`, 'm').exec(stanza)?.[1] ?? '';
      return { name: value('Package'), version: value('Version'), sha256: value('SHA256'), section: value('Section') };
    });
  const missing = names.filter(
    (name) => !found.some((candidate) => candidate.name === name && candidate.sha256 !== ''),
  );
  if (missing.length === 0) return found;
  throw new SbxError('SBX7004', `apt does not know ${missing.join(', ')}`, { hint: 'Run:\nsudo apt-get update' });
}

async function apt(argv: readonly string[], options: Options & { readonly cwd?: string }): Promise<string> {
  const { signal, cwd } = options;
  const limits = { env: environment, timeoutMs: 600_000, ...(signal === undefined ? {} : { signal }) };
  try {
    return await run(argv, { ...limits, ...(cwd === undefined ? {} : { cwd }) });
  } catch (cause) {
    const hint =
      'Images need apt-get, apt-cache and dpkg-deb, and package lists that are current. Run:\nsudo apt-get update';
    throw new SbxError('SBX7004', 'packages cannot be had through apt', { cause, hint });
  }
}
