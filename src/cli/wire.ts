// Constructs everything: the services that commands call, over this host. Costly parts are loaded on first use.
import { type Checked, ok } from '../core/checked.ts';
import { loadAlone } from './load-file.ts';
import type {
  FoundGarbage,
  GlobalOptions,
  GuestServices,
  ImageServices,
  Planned,
  PlanRequest,
  Services,
} from './services.ts';
import type { Surroundings, Workplace } from './session.ts';

/** The services of a process. Opens nothing until a command asks for it. Surroundings are given by tests only. */
export function createServices(
  options: GlobalOptions,
  surroundings?: Surroundings,
  tell?: Workplace['tell'],
): Services {
  let opened: Promise<Workplace> | undefined;
  const workplace = (): Promise<Workplace> => {
    opened ??= import('./session.ts').then(({ openWorkplace, ownSurroundings }) =>
      openWorkplace(options, surroundings ?? ownSurroundings(), tell),
    );
    return opened;
  };
  return {
    loadDesired: async () => {
      const loaded = await loadAlone(options, { unknownVariables: true });
      if (!loaded.ok) return loaded;
      const { desired, sources, unknown } = loaded.value;
      return ok({ desired, files: sources.files, unknown }, loaded.warnings);
    },
    plan: async (request) => await planned(await workplace(), request),
    openPlan: async (path) => (await import('./saved-plan.ts')).openSavedPlan(await workplace(), path),
    status: async () => (await import('./reports.ts')).statusReport(await workplace()),
    statusAll: async () => ({
      sandboxes: await (await import('./former.ts')).summariesOf((await workplace()).home, Date.now()),
    }),
    show: async (address) => (await import('./reports.ts')).showReport(await workplace(), address),
    outputs: async () => (await import('./reports.ts')).outputsOf(await workplace()),
    doctor: async () => (await import('./doctor.ts')).examine(await workplace()),
    gc: async (request) => await foundGarbage(await workplace(), request),
    guests: guestServices(workplace),
    images: imageServices(workplace),
  };
}

function guestServices(workplace: () => Promise<Workplace>): GuestServices {
  const load = async (): Promise<GuestServices> => (await import('./guest-services.ts')).buildGuestServices(workplace);
  return {
    exec: async (command) => (await load()).exec(command),
    shell: async (request) => (await load()).shell(request),
    copy: async (request) => (await load()).copy(request),
    console: async (request) => (await load()).console(request),
    logs: async (request) => (await load()).logs(request),
  };
}

function imageServices(workplace: () => Promise<Workplace>): ImageServices {
  const load = async (): Promise<ImageServices> => (await import('./image-services.ts')).buildImageServices(workplace);
  return {
    list: async () => (await load()).list(),
    build: async (request) => (await load()).build(request),
    verify: async (name) => (await load()).verify(name),
    prune: async (request) => (await load()).prune(request),
  };
}

async function planned(workplace: Workplace, request: PlanRequest): Promise<Checked<Planned>> {
  if (request.against !== undefined)
    return (await import('./against.ts')).planAgainst(workplace, request, request.against);
  const { makePlan, originMoved } = await import('./planning.ts');
  const made = await makePlan(workplace, request);
  if (!made.ok) return made;
  const records = originMoved(made.value);
  const { readLockOwner } = await import('../store/lock.ts');
  const busy = await readLockOwner(made.value.opened.layout.lockPath);
  return ok(
    {
      plan: made.value.plan,
      ...(busy === undefined ? {} : { busy }),
      ...(records === undefined ? {} : { records }),
      apply: async (options) => (await import('./applying.ts')).applyMade(workplace, request, made.value, options),
      save: async (path) => (await import('./saved-plan.ts')).savePlan(workplace, request, made.value, path),
    },
    made.value.warnings,
  );
}

async function foundGarbage(workplace: Workplace, { purge }: { readonly purge: boolean }): Promise<FoundGarbage> {
  const { findGarbage } = await import('./gc/find.ts');
  const report = await findGarbage(workplace.home, { purge, nowMs: Date.now() });
  return {
    report,
    remove: async (options) =>
      (await import('./gc/remove.ts')).removeGarbage(workplace, report.found, { ...options, purge }),
  };
}
