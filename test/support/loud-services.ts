// Services whose answers are far longer than a pipe holds, whatever command asks for them.
import type { Services } from '../../src/cli/services.ts';
import { writeOut } from '../../src/cli/write-out.ts';
import { failed, ok } from '../../src/core/checked.ts';
import { diagnostic } from '../../src/core/diagnostic.ts';
import { bug } from '../../src/core/errors.ts';
import type { Change, Plan } from '../../src/core/plan/plan.ts';
import type { Garbage } from '../../src/core/render/gc-model.ts';
import type { CachedImage } from '../../src/core/render/status-model.ts';
import { complete } from './cli.ts';
import { at, emptyPlan, free } from './plans.ts';
import { showReport, statusReport } from './reports.ts';

/** Least length of every answer in bytes, as the text for people that has the shortest lines. */
export const loudBytes: number = 2 * 1024 * 1024;

const long = 'x'.repeat(loudBytes);

/** What every command asks for, each at least `loudBytes` long; with `share` (0 to 1) only that part of it. */
export function loudServices({ share = 1 }: { readonly share?: number } = {}): Services {
  const many = <T>(count: number, make: (n: number) => T): readonly T[] =>
    Array.from({ length: Math.ceil(count * share) }, (_, n) => make(n));
  const changes: readonly Change[] = many(40_000, (n) => ({
    action: 'create',
    address: at(`vm.machine-with-a-long-name-of-its-own[${n}]`),
    steps: [],
    price: free,
    resumes: false,
    fields: [],
  }));
  const plan: Plan = { ...emptyPlan, changes, impact: 'live' };
  const image: CachedImage = { name: 'tiny', digest: 'sha256:aa', sizeBytes: 1, builtAtMs: 2, usedBy: [] };
  const images = many(60_000, (n) => ({ ...image, name: `tiny-${n}` }));
  const garbage: readonly Garbage[] = many(70_000, (n) => ({ type: 'folder', path: `/x/${n}`, sandbox: `shop-${n}` }));
  const chunks = many(64, (n) => Buffer.alloc(loudBytes / 64, String(n % 10)));
  const services: Partial<Services> = {
    loadDesired: async () => failed(diagnostic('SBX1201', { detail: long })),
    plan: async () =>
      ok({
        plan,
        save: async () => undefined,
        apply: async ({ emit }) => {
          for (const { address } of changes) emit({ type: 'change-done', address, action: 'create', elapsedMs: 1 });
          emit({ type: 'apply-ended', result: complete });
          return ok(complete);
        },
      }),
    status: async () => {
      const [vm] = statusReport.vms;
      const vms = vm === undefined ? [] : many(40_000, (n) => ({ ...vm, address: at(`vm.db[${n}]`) }));
      return ok({ ...statusReport, vms });
    },
    show: async () => {
      const [network] = showReport.resources;
      return ok({ ...showReport, resources: network === undefined ? [] : many(20_000, () => network) });
    },
    outputs: async () => ok(new Map([['db', { value: long, sensitive: false }]])),
    doctor: async () => many(60_000, (n) => ({ name: `check ${n}`, status: 'ok', detail: 'It is as it should be.' })),
    gc: async () => ({
      report: { found: garbage, spared: [] },
      remove: async () => ({ removed: garbage, failures: [] }),
    }),
    guests: {
      exec: async ({ io }) => {
        for (const chunk of chunks) await writeOut(io.stdout, chunk);
        return 0;
      },
      logs: async ({ write }) => {
        for (const chunk of chunks) await write(chunk);
      },
      shell: async () => bug('a shell needs a terminal'),
      console: async () => bug('a console needs a terminal'),
      copy: async () => 0,
    },
    images: {
      list: async () => images,
      build: async ({ progress }) => {
        for (const { name } of images) progress(`package ${name}, which has a name of some length`);
        return { image, built: true };
      },
      verify: async () => images.map((each) => ({ image: each, problems: ['root.img is damaged'] })),
      prune: async () => images,
    },
  };
  return services as Services;
}
