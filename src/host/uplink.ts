// The way out of a namespace: slirp4netns, a network stack in user space, and the host ports that it listens on.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, SbxError } from '../core/errors.ts';
import { uplink } from '../core/link-names.ts';
import type { SandboxAttrs } from '../core/state/attrs.ts';
import type { ProcessRef } from '../core/state/facts.ts';
import { forwardKey, type UplinkForward, withInnerPorts } from '../core/uplink-ports.ts';
import { lastLineOf } from './log-end.ts';
import { clearPlace } from './own-files.ts';
import { applyGuard } from './packet-filter.ts';
import { endProcess, findProcesses, isWorking, spawnDetached } from './processes.ts';
import { programPath } from './programs.ts';
import type { SpaceRef } from './space-ref.ts';
import { addForward, type HostForward, listForwards, removeForward } from './uplink-api.ts';

const readyWithinMs = 10_000;
/** sockaddr_un has 108 bytes with the closing NUL (unix(7)). */
const socketPathMax = 107;

/** Starts the uplink unless `current` serves; one that does not answer is ended before. Resolves when packets can leave. Forwards have to be applied afterwards. Throws SBX6005. */
export async function startUplink(
  space: SpaceRef,
  options: { readonly runDir: string; readonly logPath: string; readonly current?: ProcessRef },
): Promise<ProcessRef> {
  const { runDir, logPath, current } = options;
  const socketPath = uplinkSocket(runDir);
  if (current !== undefined && canServe(current, space) && (await answers(socketPath))) return current;
  await stopUplink(current, runDir);
  if (Buffer.byteLength(socketPath) > socketPathMax)
    throw new SbxError('SBX6005', `the path ${socketPath} is too long for a socket`, { hint: 'Use a shorter --home.' });
  await applyGuard(space);
  const { exited, ...ref } = await spawnDetached(slirpArgv(space, socketPath), {
    logPath,
    // It prints every request on its socket, one per plan.
    quiet: true,
  });
  const ended = exited.then((how) => how);
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    if (isAttached(space) && (await answers(socketPath))) return ref;
    const how = await Promise.race([ended, delay(5, undefined)]);
    if (how === undefined && performance.now() < deadline) continue;
    await stopUplink(ref, runDir);
    const what = how === undefined ? `was not ready after ${readyWithinMs} ms` : `ended with ${how}`;
    throw new SbxError('SBX6005', `slirp4netns ${what}: ${await lastLineOf(logPath)}`);
  }
}

/** Ends the uplink, its link and its forwards, also one that no state knows. */
export async function stopUplink(current: ProcessRef | undefined, runDir: string): Promise<void> {
  const socketPath = uplinkSocket(runDir);
  if (current !== undefined) await endProcess(current);
  const strays = findProcesses((words) => /(^|\/)slirp4netns$/.test(words[0] ?? '') && words.includes(socketPath));
  for (const ref of strays) await endProcess(ref);
  await clearPlace(socketPath);
}

/** Makes the host ports of the running uplink equal to `attrs.forwards`; those that stay are not touched. Throws SBX6006 naming every port that could not be opened. */
export async function applyForwards(attrs: SandboxAttrs, runDir: string): Promise<void> {
  const socketPath = uplinkSocket(runDir);
  const wanted = withInnerPorts(attrs.forwards);
  const open = await listForwards(socketPath);
  for (const have of open) if (!wanted.some((want) => isSame(have, want))) await removeForward(socketPath, have.id);
  const failures: string[] = [];
  for (const want of wanted) {
    if (open.some((have) => isSame(have, want))) continue;
    try {
      await addForward(socketPath, want, uplink.address);
    } catch (error) {
      failures.push(`${forwardKey(want)} (${describeError(error)})`);
    }
  }
  if (failures.length > 0)
    throw new SbxError('SBX6006', `cannot publish ${failures.join(', ')}`, { hint: publishHint(wanted) });
}

/** Socket of the uplink in a sandbox's run folder. */
export function uplinkSocket(runDir: string): string {
  return join(runDir, 'uplink.sock');
}

/** Whether an uplink that is asked can be expected to answer: it is there, nobody stopped it, and its link is in place. */
export function canServe(current: ProcessRef | undefined, space: SpaceRef): current is ProcessRef {
  return isWorking(current) && isAttached(space);
}

/** Whether the namespace's way out leads over the uplink's link: without a process behind it, the link is gone. */
function isAttached(space: SpaceRef): boolean {
  try {
    const routes = readFileSync(`/proc/${space.keeper.pid}/net/route`, 'latin1');
    return routes.includes(`\n${uplink.ifname}\t00000000\t`);
  } catch {
    // The keeper is gone.
    return false;
  }
}

function slirpArgv(space: SpaceRef, socketPath: string): readonly string[] {
  return [
    programPath('slirp4netns'),
    '--configure',
    '--mtu=1500',
    // It gives up the file system and all rights but one after start; that matters most when root runs it.
    '--enable-sandbox',
    '--enable-seccomp',
    '--api-socket',
    socketPath,
    String(space.keeper.pid),
    uplink.ifname,
  ];
}

async function answers(socketPath: string): Promise<boolean> {
  try {
    await listForwards(socketPath);
    return true;
  } catch {
    // Not yet listening.
    return false;
  }
}

function isSame(have: HostForward, want: UplinkForward): boolean {
  return (
    have.protocol === want.protocol &&
    have.hostIp === want.hostIp &&
    have.hostPort === want.hostPort &&
    have.innerPort === want.innerPort
  );
}

function publishHint(wanted: readonly UplinkForward[]): string {
  const low = wanted.some((forward) => forward.hostPort < 1024) && process.geteuid?.() !== 0;
  return low ? 'Ports below 1024 are for root; take a higher one.' : 'Another program may use the port:\nss -Hlntup';
}
