// Starting a VM: process, create, boot. All or nothing: a failure leaves no process, no socket, and is never booted again,
// since releases up to v52 boot the wreck of a failed boot without its devices, or die of it.
import { constants, existsSync } from 'node:fs';
import { access, open, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { describeError, isSbxError, SbxError } from '../../core/errors.ts';
import type { ProcessRef } from '../../core/state/facts.ts';
import { keepFormerLog, logLength, readLogEnd } from '../../host/log-end.ts';
import { plainRef, spawnDetached } from '../../host/processes.ts';
import type { StartContext, Started, VmSpec } from '../driver.ts';
import { filesOf, type VmFiles, vmmArgv } from './argv.ts';
import { toVmConfig } from './convert.ts';
import { refuseForged } from './disk-content.ts';
import { endAndClean, findServing, processBehind, removeLeftovers } from './process.ts';
import { readSocket } from './read-socket.ts';
import { type Limits, withSession } from './session.ts';
import { type Features, featuresOf, formatVersion, parseVersion, type Version } from './version.ts';

export interface StartOptions {
  readonly binary: string;
  readonly version: Version;
  readonly limits: Limits;
  /** Added to the environment of the VMM, which is PATH and HOME otherwise */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a process, creates and boots. Throws SBX5001 with the VMM's own words, SBX5004 when the VM runs already. */
export async function start(spec: VmSpec, context: StartContext, options: StartOptions): Promise<Started> {
  const files = filesOf(spec.paths);
  checkPaths(files);
  checkNics(spec);
  await checkKernel(spec, options.version);
  await refuseForged(spec.disks, options.version);
  await refuseSecond(files);
  await removeLeftovers(files);
  // Before the spawn: whoever comes after a crash in between knows that a process is to be looked for.
  await writeFile(files.intent, '', { mode: 0o600 });
  // The VMM truncates its serial file on every start.
  await keepFormerLog(files.serialLog);
  const logFrom = await logLength(files.vmmLog);
  const spawned = await spawnVmm(files, context, options);
  const known: ProcessRef[] = [spawned];
  try {
    const ping = await waitForApi(files, spawned.exited, context.signal, options.limits.socketMs);
    const process = processBehind(spawned, ping.pid, files);
    known.unshift(process);
    const features = featuresOf(ping.version ?? options.version);
    const work = () => createAndBoot(spec, files, features, options.limits);
    await orEnded(work, spawned.exited, context.signal);
    return { process: plainRef(process) };
  } catch (error) {
    const said = await lastWords(files, logFrom);
    const left = await endAndClean(files, known, { search: true }).then(() => '', describeError);
    const parts = [
      describeError(error),
      ...(said === '' ? [] : [`its log ends with: ${said}`]),
      ...(left === '' ? [] : [left]),
    ];
    const detail = parts.join('; ');
    throw new SbxError('SBX5001', detail, { cause: error, hint: `The whole log is ${files.vmmLog}.` });
  }
}

async function spawnVmm(
  files: VmFiles,
  context: StartContext,
  options: StartOptions,
): Promise<ProcessRef & { readonly exited: Promise<number | string> }> {
  try {
    return await spawnDetached(context.enter(vmmArgv(options.binary, files)), {
      logPath: files.vmmLog,
      ...(options.env === undefined ? {} : { env: options.env }),
    });
  } catch (error) {
    await removeLeftovers(files);
    throw error;
  }
}

async function createAndBoot(spec: VmSpec, files: VmFiles, features: Features, limits: Limits): Promise<void> {
  const config = toVmConfig(spec, files, features, await consoleMode());
  await withSession({ paths: spec.paths }, limits, async ({ client }) => {
    await client.put('vm.create', config, limits.requestMs);
    await client.put('vm.boot', undefined, limits.bootMs);
  });
}

/** Waits for the first answer on the API socket. */
async function waitForApi(
  files: VmFiles,
  exited: Promise<number | string>,
  signal: AbortSignal,
  limitMs: number,
): Promise<{ readonly pid: number | undefined; readonly version: Version | undefined }> {
  const deadline = performance.now() + limitMs;
  let ended: number | string | undefined;
  void exited.then((how) => {
    ended = how;
  });
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 1.5, 25)) {
    // Looked at first: connecting to a file that is not there costs more than asking for it.
    if (existsSync(files.apiSocket)) {
      const read = await readSocket(files.apiSocket, '/api/v1/vmm.ping', {
        timeoutMs: Math.max(1, deadline - performance.now()),
      });
      if (read.type === 'reply' && read.status === 200) return toPing(read.text);
      if (read.type === 'garbled') throw new SbxError('SBX5003', `Cloud Hypervisor: ${read.reason}`);
    }
    if (ended !== undefined) throw new SbxError('SBX5001', describeEnd(ended));
    signal.throwIfAborted();
    if (performance.now() >= deadline) {
      throw new SbxError('SBX5001', `its socket did not answer within ${limitMs} ms`);
    }
    await delay(pauseMs);
  }
}

/** A build between two releases says the next one in `version` and the last one in `build_version`: the last one counts. */
function toPing(text: string): { pid: number | undefined; version: Version | undefined } {
  let ping: unknown;
  try {
    ping = JSON.parse(text);
  } catch {
    // The version found by --version will do.
    return { pid: undefined, version: undefined };
  }
  const { pid, build_version, version } = (typeof ping === 'object' && ping !== null ? ping : {}) as Record<
    string,
    unknown
  >;
  return {
    pid: typeof pid === 'number' ? pid : undefined,
    version: parseVersion(String(build_version)) ?? parseVersion(String(version)),
  };
}

/** Does work; the end of the process or an interruption ends the wait for it. Of several failures the one that says most is thrown. */
async function orEnded(
  work: () => Promise<void>,
  exited: Promise<number | string>,
  signal: AbortSignal,
): Promise<void> {
  // Before the work is begun: nobody would hear how it ended.
  signal.throwIfAborted();
  let onAbort = (): void => undefined;
  const interrupted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason);
  });
  signal.addEventListener('abort', onAbort, { once: true });
  const done = work().then(
    () => ({ ok: true as const }),
    (error: unknown) => ({ ok: false as const, error }),
  );
  try {
    const first = await Promise.race([done, exited.then((how) => ({ how })), interrupted]);
    if ('ok' in first && first.ok) return;
    // A refusal arrives just before the end that it causes, and a connection breaks just before an end is seen.
    const outcome = 'ok' in first ? first : await Promise.race([done, delay(100)]);
    const error = outcome !== undefined && !outcome.ok ? outcome.error : undefined;
    if (isSbxError(error) && error.code !== 'SBX5003') throw error;
    const how = 'how' in first ? first.how : await Promise.race([exited, delay(500)]);
    if (how === undefined) throw error;
    throw new SbxError('SBX5001', describeEnd(how), { cause: error });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** How a VMM ended, in words. Exit codes: 1 any error, 2 arguments; SIGSYS is its own seccomp filter (docs/seccomp.md). */
function describeEnd(how: number | string): string {
  if (how === 'SIGSYS') {
    return 'Cloud Hypervisor was ended by its own seccomp filter (SIGSYS): this build does not fit the C library or kernel of this host';
  }
  return typeof how === 'number' ? `Cloud Hypervisor ended with ${how}` : `Cloud Hypervisor was ended by ${how}`;
}

/** The last lines that a start added to the VMM's log, on one line, without warnings: these come with good starts, too. */
async function lastWords(files: VmFiles, from: number): Promise<string> {
  const text = await readLogEnd(files.vmmLog, 4000, from);
  return text
    .split('\n')
    .map((line) => line.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim())
    .filter((line) => line !== '' && !/\b(WARN|INFO|DEBUG|TRACE):/.test(line))
    .slice(-3)
    .join(' / ')
    .slice(-600);
}

/** An interactive console needs pseudo-terminals; without them the VM still runs, with its serial log only. */
async function consoleMode(): Promise<'Pty' | 'Off'> {
  try {
    await access('/dev/ptmx', constants.R_OK | constants.W_OK);
    return 'Pty';
  } catch {
    // No pseudo-terminals here, or not for this user.
    return 'Off';
  }
}

async function refuseSecond(files: VmFiles): Promise<void> {
  if (!existsSync(files.intent) && !existsSync(files.apiSocket)) return;
  const read = await readSocket(files.apiSocket, '/api/v1/vmm.ping', { timeoutMs: 2000 });
  const gone = read.type === 'absent' || read.type === 'refused';
  const running = gone ? findServing(files)[0] : undefined;
  if (gone && running === undefined) return;
  const who =
    running === undefined ? `something answers on ${files.apiSocket}` : `process ${running.pid} has its socket path`;
  throw new SbxError('SBX5004', `The VM was not started a second time: ${who}.`);
}

function checkPaths(files: VmFiles): void {
  for (const path of [files.apiSocket, files.vsockSocket]) {
    const length = Buffer.byteLength(path);
    if (length > 107)
      throw new SbxError('SBX5008', `${path} has ${length} bytes; a Unix socket's path has at most 107.`);
  }
}

function checkNics(spec: VmSpec): void {
  const other = spec.nics.find((nic) => nic.connection.type !== 'tap');
  if (other !== undefined) {
    throw new SbxError('SBX5007', `Cloud Hypervisor has no user network of its own, which NIC "${other.id}" asks for.`);
  }
}

/** Releases below v39 fail on bzImage late and without saying why (release notes of v39). */
async function checkKernel(spec: VmSpec, version: Version): Promise<void> {
  if (featuresOf(version).bzImage) return;
  const magic = await firstBytes(spec.kernel);
  if (magic.equals(Buffer.from('\u007fELF', 'latin1'))) return;
  throw new SbxError(
    'SBX5007',
    `Cloud Hypervisor ${formatVersion(version)} boots only kernels in ELF form, which ${spec.kernel} is not.`,
    { hint: 'Use Cloud Hypervisor 39.0 or newer, or name an uncompressed vmlinux.' },
  );
}

async function firstBytes(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0).finally(() => file.close());
    return buffer.subarray(0, bytesRead);
  } catch (cause) {
    throw new SbxError('SBX5001', `The kernel ${path} cannot be read.`, { cause });
  }
}
