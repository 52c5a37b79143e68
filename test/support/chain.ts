// One link of a chain of generated files: applied over the one before, and looked at from all sides.
import { readdirSync } from 'node:fs';
import type { Address } from '../../src/core/address.ts';
import type { Diagnostic } from '../../src/core/diagnostic.ts';
import { isEmptyPlan } from '../../src/core/plan/plan.ts';
import type { FakeHub, FakeSettings } from '../fakes/cloud-hypervisor/install.ts';
import { type FakeHost, makeFakeHost } from './fake-host.ts';
import type { FileModel } from './generated-files.ts';
import { unkept } from './kept.ts';
import type { PlanHost } from './plan-host.ts';
import { processesOf } from './sandbox-host.ts';
import { SeenWorld } from './seen-world.ts';
import {
  type Expected,
  expectedOf,
  fakeImages,
  fileText,
  type ImageTexts,
  type SoundFile,
  soundFile,
} from './sound-file.ts';
import type { Tally } from './tally.ts';
import { whoTells } from './told.ts';
import { fakeEye, type VmmEye } from './vmm-eye.ts';

/** Ports that files of this process publish; below the range that the kernel hands out. */
const firstPort = 30_100 + (process.pid % 250) * 10;

export interface ChainHost extends PlanHost {
  readonly world: SeenWorld;
  readonly writeFile: (file: FileModel) => void;
  /** Where the VMM is the fake, whose calls are compared with the plan */
  readonly fake?: FakeHost['fake'];
  /** What the images of generated files are here */
  readonly images: ImageTexts;
  /** What of a generated file this host is asked for */
  readonly adapt: (file: FileModel) => FileModel;
}

/** One over the fake. */
export interface FakeChainHost extends ChainHost {
  readonly fake: FakeHost['fake'];
}

/** What was applied last, and what the host shows since. */
export interface ChainLink {
  readonly file: SoundFile;
  readonly text: string;
  readonly expected: Expected;
}

/** A fresh host for a chain. */
export async function makeChainHost(hub: FakeHub, settings: FakeSettings = {}): Promise<FakeChainHost> {
  const host = await makeFakeHost(hub, settings);
  return { ...host, ...chained(host, fakeEye(host.fake), fakeImages) };
}

/** What makes a host one of a chain. */
export function chained(
  host: PlanHost,
  eye: VmmEye,
  images: ImageTexts,
  adapt: ChainHost['adapt'] = (file) => file,
): Pick<ChainHost, 'world' | 'writeFile' | 'images' | 'adapt'> {
  const writeFile = (file: FileModel): void => host.write(fileText(soundFile(adapt(file)), firstPort, images));
  return { world: new SeenWorld(host, eye), writeFile, images, adapt };
}

/** Applies a file; throws when the plan after it is not empty, the host shows something else, or the plan was not kept. */
export async function applyOver(
  host: ChainHost,
  model: FileModel,
  before: ChainLink | undefined,
  tally: Tally,
): Promise<ChainLink> {
  const { file, text, expected } = linkTo(model, before, host);
  if (before !== undefined && (before.text !== text || before.file.token !== file.token)) tally.pairs += 1;
  host.write(text);
  const story = (): string => `\nbefore: ${before?.text}\nafter:  ${text}`;
  const planned = must(await host.plan({ token: file.token }), 'the plan', story);
  tally.take(planned.plan);
  const called = (await host.fake?.calls())?.length ?? 0;
  const result = must(await host.apply(planned), 'the apply', story);
  if (result.status !== 'complete') throw new TypeError(`the apply ended ${JSON.stringify(result, null, 1)}${story()}`);
  const tellers = whoTells(host.home, planned.plan, result);
  if (tellers.length > 0) throw new TypeError(`a sensitive value is told by ${tellers.join(', ')}${story()}`);
  const owners = [...Object.keys(before?.expected.vms ?? {}), ...Object.keys(expected.vms)] as Address[];
  const calls = (await host.fake?.calls())?.slice(called);
  const problems =
    calls === undefined ? [] : unkept(planned.plan, calls, (socket) => host.world.ownerOf(socket, owners));
  if (problems.length > 0) throw new TypeError(`the plan was not kept: ${problems.join('; ')}${story()}`);
  const again = must(await host.plan({ token: file.token }), 'the plan after it', story);
  if (!isEmptyPlan(again.plan) || again.plan.drift.length > 0)
    throw new TypeError(
      `the next plan is not empty: ${JSON.stringify([again.plan.changes, again.plan.drift])}${story()}`,
    );
  const differences = await host.world.differences(expected);
  if (differences.length > 0) throw new TypeError(`the host shows something else: ${differences.join('; ')}${story()}`);
  return { file, text, expected };
}

/** Applies one file over the other, destroys the last one, and discards the host. */
export async function applyAll(host: ChainHost, files: readonly FileModel[], tally: Tally): Promise<void> {
  try {
    let link: ChainLink | undefined;
    for (const file of files) link = await applyOver(host, file, link, tally);
    await destroyAll(host, tally);
  } finally {
    host.discard();
  }
}

/** What a file leads to, without applying it. */
export function linkTo(
  model: FileModel,
  before: ChainLink | undefined,
  { adapt, images }: Pick<ChainHost, 'adapt' | 'images'>,
): ChainLink {
  const file = soundFile(adapt(model), before?.file);
  return {
    file,
    text: fileText(file, firstPort, images),
    expected: expectedOf(file, firstPort, before?.expected),
  };
}

/** Destroys the sandbox; throws when anything is left. */
export async function destroyAll(host: ChainHost, tally: Tally): Promise<void> {
  const planned = must(
    await host.plan({ mode: 'destroy', token: 'any', purge: true }),
    'the plan to destroy',
    () => '',
  );
  tally.take(planned.plan);
  const result = must(await host.apply(planned), 'the destroy', () => '');
  if (result.status !== 'complete') throw new TypeError(`the destroy ended ${JSON.stringify(result)}`);
  const left = leftoversOf(host);
  if (left.length > 0) throw new TypeError(`destroy left ${left.join(', ')}`);
}

const homeKeeps = new Set(['key', 'known.json', 'host.json', 'host.lock', 'cache', 'backups']);

/** Processes of a home, and files that belong to a sandbox. */
export function leftoversOf({ home }: Pick<PlanHost, 'home'>): readonly string[] {
  const files = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`.slice(home.length + 1))
    .filter((path) => !homeKeeps.has(path.split('/')[0] ?? '') && !path.endsWith('.lock'));
  return [...files.map((path) => `file ${path}`), ...processesOf(home).map(({ words }) => `process ${words}`)];
}

/** The value, or an error that says why there is none. */
export function must<T>(
  checked:
    | { readonly ok: true; readonly value: T }
    | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] },
  what: string,
  story: () => string = () => '',
): T {
  if (checked.ok) return checked.value;
  const said = checked.diagnostics.map(({ code, detail }) => `${code} ${detail}`);
  throw new TypeError(`${what} was refused: ${said.join('; ')}${story()}`);
}
