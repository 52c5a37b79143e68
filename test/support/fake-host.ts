// A sandbox folder and a home with a fake Cloud Hypervisor, driven in process: what commands call, without the commands.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { installationOf } from '../../src/cli/installation.ts';
import type { GlobalOptions, Planned, PlanRequest } from '../../src/cli/services.ts';
import { createServices } from '../../src/cli/wire.ts';
import type { Checked } from '../../src/core/checked.ts';
import { noOptions } from '../../src/core/plan/context.ts';
import type { ApplyResult, EngineEvent } from '../../src/engine/events.ts';
import { type FakeHub, type FakeSettings, type InstalledFake, installFake } from '../fakes/cloud-hypervisor/install.ts';
import { processesOf } from './sandbox-host.ts';

const source = fileURLToPath(new URL('../../src/', import.meta.url));
/** The built sbx; SBX_TEST_PROGRAM names another one. */
export const program: string =
  process.env['SBX_TEST_PROGRAM'] ?? fileURLToPath(new URL('../../dist/sbx.cjs', import.meta.url));

/** In memory where there is such a folder: thousands of syncs cost nothing there. */
const fastFolder = existsSync('/dev/shm') ? '/dev/shm' : '/tmp';

/** A home of its own. */
export interface FakeHost {
  readonly folder: string;
  readonly home: string;
  readonly fake: InstalledFake;
  /** Environment with which sbx finds the fake */
  readonly env: Readonly<Record<string, string>>;
  /** What services are made with, beside the options */
  readonly surroundings: Parameters<typeof createServices>[1];
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

/** Makes a folder with images, a home, and a fake on a PATH of its own. */
export async function makeFakeHost(hub?: FakeHub, settings: FakeSettings = {}): Promise<FakeHost> {
  const root = mkdtempSync(join(fastFolder, 'sbxp-'));
  const [folder, home] = [join(root, 'box'), join(root, 'h')];
  for (const path of [folder, home]) mkdirSync(path, { mode: 0o700 });
  writeFileSync(join(folder, 'vmlinuz'), '\u007fELF kernel');
  writeFileSync(join(folder, 'initrd'), 'initrd');
  writeFileSync(join(folder, 'root.img'), Buffer.alloc(1024 * 1024, 'r'));
  writeFileSync(join(folder, 'other.img'), Buffer.alloc(1024 * 1024, 'o'));
  const fake = await installFake(join(root, 'bin'), settings, hub);
  const env = { HOME: root, PATH: `${fake.folder}:${process.env['PATH']}`, SBX_KVM: 'assume' };
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
    fake,
    env,
    surroundings,
    events,
    write: (text) => writeFileSync(join(folder, 'sbx.yaml'), text),
    plan: async ({ mode = 'apply', token, purge = false } = {}) =>
      await createServices(optionsOf(folder, home, token), surroundings).plan({ ...plainRequest, mode, purge }),
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

/** Discards a host at the end of a test. */
export async function fakeHostFor(t: Test, hub?: FakeHub, settings: FakeSettings = {}): Promise<FakeHost> {
  const host = await makeFakeHost(hub, settings);
  t.teardown(async () => {
    host.discard();
    await host.fake.stop();
  });
  return host;
}

const { targets, replace } = noOptions;
const plainRequest: PlanRequest = { mode: 'apply', targets, replace, purge: false, takeOver: false, wait: true };

function optionsOf(cwd: string, home: string, token: string | undefined): GlobalOptions {
  return {
    files: [],
    vars: token === undefined ? [] : [{ name: 'token', value: token }],
    varFiles: [],
    environmentVars: {},
    vmm: 'cloud-hypervisor',
    json: false,
    color: false,
    logLevel: 'warn',
    home,
    allowPaths: [],
    allowPublicPorts: false,
    cwd,
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
