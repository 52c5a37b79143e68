// The sandbox on the host: folders, namespace and holder, lease, uplink, packet filter, published ports.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SbxError } from '../../core/errors.ts';
import type { SandboxObservation } from '../../core/observed.ts';
import type { ProcessRef, SandboxFacts } from '../../core/state/facts.ts';
import type { SandboxRecord } from '../../core/state/state.ts';
import { forwardKey } from '../../core/uplink-ports.ts';
import type { Performers, StepContext } from '../../engine/provider.ts';
import { ensureSandboxKeys } from '../../guest/sandbox-keys.ts';
import { ensureOwnFolder } from '../../host/own-files.ts';
import {
  applyForwards,
  applyRules,
  closeSpace,
  type OpenSpaceOptions,
  observeSpace,
  openSpace,
  openWatcher,
  startUplink,
  stopUplink,
  writeLease,
} from '../../host/space.ts';
import { releasePorts, reservePorts } from '../../store/host-file.ts';
import { isFull } from '../../store/reserve.ts';
import { type Shell, sandboxFacts, spaceIn } from '../shell.ts';

type SandboxOps =
  | 'sandbox.open'
  | 'sandbox.lease'
  | 'sandbox.uplink'
  | 'sandbox.uplink-stop'
  | 'sandbox.rules'
  | 'sandbox.close';

export function sandboxPerformers(shell: Shell): Pick<Performers, SandboxOps> {
  const { layout } = shell;
  return {
    'sandbox.open': async ({ attrs }, context) => {
      for (const folder of [layout.dataDir, layout.runDir]) ensureOwnFolder(folder);
      await ensureSandboxKeys(layout.keysDir);
      const options = spaceOptions(shell, context);
      return attrs.connectivity === 'namespace' ? await openSpace(options) : await openWatcher(options);
    },
    'sandbox.lease': async ({ expiresMs }, context) => {
      const end = expiresMs === null ? null : shell.wallClock() + expiresMs;
      await writeLease(layout.runDir, end, sandboxFacts(context).holder);
      // The run folder does not survive a reboot; that the time is over must be known all the same.
      return end === null ? undefined : { expiresAtMs: end };
    },
    'sandbox.uplink': async (_action, context) => {
      const current = sandboxFacts(context).uplink;
      const uplink = await startUplink(spaceIn(context), {
        runDir: layout.runDir,
        logPath: join(layout.dataDir, 'uplink.log'),
        ...(current === undefined ? {} : { current }),
      });
      return { uplink };
    },
    'sandbox.uplink-stop': async (_action, context) => {
      await stopUplink(sandboxFacts(context).uplink, layout.runDir);
      return undefined;
    },
    'sandbox.rules': async ({ attrs }, context) => {
      const reserved = await reservePorts(layout.home, layout.id, attrs.forwards);
      if (!reserved.ok) {
        const [first] = reserved.diagnostics;
        throw new SbxError(first.code, first.detail, first.hint === undefined ? {} : { hint: first.hint });
      }
      await applyRules(spaceIn(context), attrs, layout.runDir);
      if (attrs.uplink) await applyForwards(attrs, layout.runDir);
      const kept = new Set(attrs.forwards.map(forwardKey));
      const withdrawn = context
        .records('sandbox')
        .flatMap((record) => record.attrs.forwards.filter((forward) => !kept.has(forwardKey(forward))));
      await releasePorts(layout.home, layout.id, withdrawn);
      return undefined;
    },
    'sandbox.close': async (_action, context) => {
      await closeSpace(spaceOptions(shell, context));
      for (const folder of [layout.runDir, layout.dataDir]) await rm(folder, { recursive: true, force: true });
      // After what makes room. On a disk that is full all the same, ports of a sandbox without a state count as free.
      await releasePorts(layout.home, layout.id).catch((error: unknown) => {
        if (!isFull(error)) throw error;
      });
      return undefined;
    },
  };
}

function spaceOptions(shell: Shell, context: StepContext): OpenSpaceOptions {
  const { layout } = shell;
  return {
    home: layout.home.state,
    instance: layout.id,
    runDir: layout.runDir,
    logPath: join(layout.dataDir, 'holder.log'),
    holderScript: shell.holderScript,
    expireArgv: shell.expireArgv,
    facts: sandboxFacts(context),
    through: vmProcesses(context.records('vm')),
  };
}

/** Processes that may keep a namespace whose keeper died. */
export function vmProcesses(
  records: readonly { readonly facts: { readonly process?: ProcessRef } }[],
): readonly ProcessRef[] {
  return records.flatMap((record) => (record.facts.process === undefined ? [] : [record.facts.process]));
}

const nothing: SandboxObservation = {
  namespace: 'absent',
  holder: 'absent',
  uplink: 'absent',
  rules: 'unknown',
  forwards: [],
  links: {},
};

/** What the sandbox's namespace shows; nothing before the first apply. */
export async function observeSandbox(
  record: SandboxRecord | undefined,
  shell: Pick<Shell, 'layout'>,
  through: readonly ProcessRef[],
): Promise<SandboxObservation> {
  if (record === undefined) return nothing;
  const facts: SandboxFacts = record.facts;
  // Without a network nothing passes the filter, and reading it is the one thing here that starts a program.
  const rules = Object.keys(record.attrs.networks).length === 0 ? 'skip' : 'read';
  return await observeSpace(facts, { runDir: shell.layout.runDir, rules, through });
}
