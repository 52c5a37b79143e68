// A sandbox folder and a home of their own, driven in process: what commands call, without the commands.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installationOf } from '../../src/cli/installation.ts';
import type { GlobalOptions, Planned, PlanRequest } from '../../src/cli/services.ts';
import { createServices } from '../../src/cli/wire.ts';
import type { Checked } from '../../src/core/checked.ts';
import type { DriverName } from '../../src/core/plan/capabilities.ts';
import { noOptions } from '../../src/core/plan/context.ts';
import type { ApplyResult, EngineEvent } from '../../src/engine/events.ts';
import { processesOf } from './sandbox-host.ts';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
/** The built sbx; SBX_TEST_PROGRAM names another one. */
export const program: string =
  process.env['SBX_TEST_PROGRAM'] ?? fileURLToPath(new URL('../../dist/sbx.cjs', import.meta.url));

export interface PlanHost {
  readonly folder: string;
  readonly home: string;
  readonly vmm: DriverName;
  /** Environment with which sbx finds its VMM */
  readonly env: Readonly<Record<string, string>>;
  /** What services are made with, beside the options */
  readonly surroundings: NonNullable<Parameters<typeof createServices>[1]>;
  readonly write: (text: string) => void;
  readonly plan: (request?: HostRequest) => Promise<Checked<Planned>>;
  readonly apply: (planned: Planned) => Promise<Checked<ApplyResult>>;
  /** Events of the last apply */
  readonly events: EngineEvent[];
  /** Removes everything, by force if need be */
  readonly discard: () => void;
}

export interface HostRequest {
  readonly mode?: 'apply' | 'destroy';
  readonly token?: string;
  readonly purge?: boolean;
}

/** Makes folder and home below `root`, which exists and goes with them. */
export function makePlanHost(options: {
  readonly root: string;
  readonly vmm: DriverName;
  readonly env: Readonly<Record<string, string>>;
}): PlanHost {
  const { root, vmm, env } = options;
  const [folder, home] = [join(root, 'box'), join(root, 'h')];
  for (const path of [folder, home]) mkdirSync(path, { mode: 0o700 });
  const events: EngineEvent[] = [];
  const surroundings = {
    environment: env,
    // That of the built program where there is one: both may then work on one home.
    installation: existsSync(program)
      ? installationOf(program)
      : {
          program,
          holderScript: join(source, 'host/holder.sh'),
          connectProbe: join(source, 'guest/connect-probe.ts'),
          kvmFirmware: '/nonexistent',
          recipesDir: join(source, '../images'),
        },
  };
  return {
    folder,
    home,
    vmm,
    env,
    surroundings,
    events,
    write: (text) => writeFileSync(join(folder, 'sbx.yaml'), text),
    plan: async ({ mode = 'apply', token, purge = false } = {}) => {
      const services = createServices(optionsOf({ cwd: folder, home, vmm, token }), surroundings);
      return await services.plan({ ...plainRequest, mode, purge });
    },
    apply: async (planned) => {
      events.length = 0;
      const { signal } = new AbortController();
      return await planned.apply({ emit: (event) => events.push(event), parallelism: 8, lockTimeoutMs: 0, signal });
    },
    discard: () => {
      for (const { pid } of processesOf(root)) killQuietly(pid);
      rmSync(root, { recursive: true, force: true });
    },
  };
}

const { targets, replace } = noOptions;
const plainRequest: PlanRequest = { mode: 'apply', targets, replace, purge: false, takeOver: false, wait: true };

function optionsOf({
  token,
  ...given
}: Pick<GlobalOptions, 'cwd' | 'vmm'> & { readonly home: string; readonly token: string | undefined }): GlobalOptions {
  return {
    ...given,
    files: [],
    vars: token === undefined ? [] : [{ name: 'token', value: token }],
    varFiles: [],
    environmentVars: {},
    json: false,
    color: false,
    logLevel: 'warn',
    allowPaths: [],
    allowPublicPorts: false,
    allowHostLoopback: false,
    version: '0.0.0',
  };
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
