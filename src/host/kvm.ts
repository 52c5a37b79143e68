// Whether KVM runs ordinary guests here. A device that opens says nothing: there are hosts whose /dev/kvm only interprets.
import { constants } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { describeError, errnoOf } from '../core/errors.ts';
import { tryRun } from './exec.ts';
import { provenExitCode } from './kvm-firmware.ts';
import { bootId } from './processes.ts';

/** What was found out about KVM: that it works holds as long as this boot and this QEMU last, that it does not for a while. */
export interface KvmVerdict {
  readonly usable: boolean;
  /** Nothing was found out: the test guest had no time, as on a host under load. Worth nothing the next time */
  readonly undecided?: true;
  /** When it was found: wall clock in `ms` since the epoch */
  readonly foundAtMs?: number;
  /** Why, in words for users, without a full stop */
  readonly reason: string;
  /** What to do about it; a command stands alone on its line */
  readonly hint?: string;
  readonly bootId: string;
  /** QEMU that the verdict holds for */
  readonly qemuPath?: string;
  readonly mtimeMs?: number;
}

/** `probe` finds out; the others answer without looking, for hosts where the probe is wrong or too costly. */
export type KvmPolicy = 'assume' | 'never' | 'probe';

export interface KvmOptions {
  /** Without a QEMU the cheap questions must do */
  readonly qemuPath?: string;
  /** File with `kvmFirmware()`, made when sbx is built, so that finding out writes nothing; without it as without a QEMU */
  readonly firmware?: string;
  /** A verdict of before; used again when boot, QEMU and its file are the same, and a bad one only for a while */
  readonly known?: KvmVerdict;
  /** Wall clock in `ms` since the epoch; default now */
  readonly nowMs?: number;
  /** Default `probe` */
  readonly policy?: KvmPolicy;
  /** Other files than the host's, for tests */
  readonly devicePath?: string;
  readonly cpuinfoPath?: string;
  /** How long a test guest may take, in `ms`; default 20 000 */
  readonly limitMs?: number;
}

/** How long the firmware has, in `ms`: 100 are enough where KVM is real, but a nested guest on a busy host took 10 000. */
const defaultLimitMs = 20_000;

/** How long a bad verdict counts, in `ms`: it may come from what passes, such as a host without memory, or a module that is loaded later. */
const badForMs = 10 * 60_000;

/** Finds out whether KVM is usable: rights and CPU first, then a firmware that only real virtualisation gets through. */
export async function probeKvm(options: KvmOptions): Promise<KvmVerdict> {
  const boot = { bootId: bootId() };
  if (options.policy === 'never') return { usable: false, reason: 'it is switched off by SBX_KVM', ...boot };
  if (options.policy === 'assume') return { usable: true, reason: 'SBX_KVM says so', ...boot };
  const forbidden = await findForbidden(options.devicePath ?? '/dev/kvm');
  if (forbidden !== undefined) return { usable: false, ...forbidden, ...boot };
  const { qemuPath, firmware, known } = options;
  const mtimeMs = qemuPath === undefined ? undefined : (await stat(qemuPath)).mtimeMs;
  const nowMs = options.nowMs ?? Date.now();
  const fits = known?.bootId === boot.bootId && known.qemuPath === qemuPath && known.mtimeMs === mtimeMs;
  if (fits && stillCounts(known, nowMs)) return known;
  const key = {
    ...boot,
    foundAtMs: nowMs,
    ...(qemuPath === undefined ? {} : { qemuPath }),
    ...(mtimeMs === undefined ? {} : { mtimeMs }),
  };
  if (!(await hasVirtualization(options.cpuinfoPath ?? '/proc/cpuinfo')))
    return {
      usable: false,
      reason: '/dev/kvm opens, but the CPU has neither vmx nor svm to run ordinary guests with',
      ...key,
    };
  if (qemuPath === undefined || firmware === undefined)
    return { usable: true, reason: '/dev/kvm opens and the CPU has the feature', ...key };
  return { ...(await runFirmware({ ...options, qemuPath, firmware, acceleration: 'kvm' })), ...key };
}

function stillCounts({ usable, undecided, foundAtMs }: KvmVerdict, nowMs: number): boolean {
  if (usable) return true;
  if (undecided === true || foundAtMs === undefined) return false;
  return foundAtMs <= nowMs && nowMs - foundAtMs < badForMs;
}

type Finding = Pick<KvmVerdict, 'usable' | 'reason' | 'hint' | 'undecided'>;

/** Runs the firmware in a guest. With `tcg` it shows that the firmware itself works. */
export async function runFirmware(options: {
  readonly qemuPath: string;
  readonly acceleration: 'kvm' | 'tcg';
  readonly firmware: string;
  readonly limitMs?: number;
}): Promise<Finding> {
  const { qemuPath, acceleration, firmware, limitMs = defaultLimitMs } = options;
  const startMs = performance.now();
  try {
    const result = await tryRun(probeArgv(qemuPath, acceleration, firmware), { timeoutMs: limitMs });
    if (result.code === provenExitCode) return { usable: true, reason: 'a test guest ran' };
    const words = lastLine(result.stderr);
    return { usable: false, reason: `a test guest failed (exit ${result.code})${words === '' ? '' : `: ${words}`}` };
  } catch (error) {
    if (performance.now() - startMs >= limitMs)
      return {
        usable: false,
        undecided: true,
        reason: `a test guest did not get through within ${limitMs} ms, so that nothing is known of it`,
      };
    return { usable: false, reason: `a test guest crashed QEMU: ${lastLine(describeError(error))}` };
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** `-cpu host` matters: a named model starts where the real CPU cannot be given to a guest. */
function probeArgv(qemuPath: string, acceleration: 'kvm' | 'tcg', firmware: string): readonly string[] {
  return [
    qemuPath,
    ...['-machine', 'q35', '-accel', acceleration, '-cpu', acceleration === 'kvm' ? 'host' : 'max', '-m', '16'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-bios', firmware],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
  ];
}

async function findForbidden(device: string): Promise<Omit<Finding, 'usable'> | undefined> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return errnoOf(error) === 'ENOENT'
      ? {
          reason: `there is no ${device}`,
          hint: 'load kvm_intel or kvm_amd, or switch virtualisation on in the firmware',
        }
      : { reason: `this user may not open ${device}`, hint: 'sudo usermod --append --groups kvm "$USER"' };
  }
}

async function hasVirtualization(cpuinfo: string): Promise<boolean> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile(cpuinfo, 'utf8'))?.[1] ?? '';
  return /\b(svm|vmx)\b/.test(flags);
}
