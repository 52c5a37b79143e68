// While a VM is waited for: what ends the wait before its time, and the last words of the guest for whoever asks why.
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { plainText } from '../../core/render/paint.ts';
import { readLogEnd } from '../../host/log-end.ts';
import type { VmmDriver, VmRef } from '../../vmm/driver.ts';

/** Why a guest will not become ready. */
export type BootEnd =
  /** Its kernel gave up; `reason` are the kernel's words */
  | { readonly type: 'panic'; readonly reason: string }
  /** The guest powered itself off */
  | { readonly type: 'exited' }
  /** Its VMM ended, or holds a guest that has come to an end */
  | { readonly type: 'dead'; readonly reason: string };

const lookEveryMs = 500;
/** How the Linux kernel says so on its console (kernel/panic.c), and what stands for it in a log that a guest writes. */
const panicWords = /Kernel panic - not syncing: ?([^\r\n]*)/;
const longestLine = 200;

/** Resolves when the guest of a VM comes to an end; undefined when `signal` ends the watch. */
export async function watchBoot(driver: VmmDriver, ref: VmRef, signal: AbortSignal): Promise<BootEnd | undefined> {
  let at = 0;
  while (!signal.aborted) {
    const log = await readFrom(serialLogOf(ref), at);
    const panic = panicWords.exec(log.text);
    if (panic !== null) return { type: 'panic', reason: panic[1] ?? '' };
    // Words that are cut by the end of what was read are met again.
    at = Math.max(at, log.end - longestLine);
    const end = endOf(await driver.observe(ref));
    if (end !== undefined) return end;
    await delay(lookEveryMs, undefined, { signal }).catch(() => undefined);
  }
  return undefined;
}

/**
 * The last lines of the guest's console, without control sequences; none when it wrote nothing. After a panic comes a trace that
 * tells people little: what stands before it is given then.
 */
export async function lastGuestLines(ref: VmRef, count: number): Promise<readonly string[]> {
  const text = await readLogEnd(serialLogOf(ref), 16 * 1024);
  const lines = plainText(text)
    .split('\n')
    .map((line) => line.trimEnd().slice(0, longestLine))
    .filter((line) => line !== '');
  const panic = lines.findIndex((line) => panicWords.test(line));
  return (panic < 0 ? lines : lines.slice(0, panic + 1)).slice(-count);
}

function serialLogOf(ref: VmRef): string {
  return `${ref.paths.data}/serial.log`;
}

function endOf(seen: Awaited<ReturnType<VmmDriver['observe']>>): BootEnd | undefined {
  switch (seen.state) {
    case 'exited':
      return { type: 'exited' };
    case 'absent':
      return { type: 'dead', reason: 'its VMM is gone' };
    case 'dead':
    case 'halted':
      return { type: 'dead', reason: seen.reason };
    default:
      // Silent, out of reach, held, paused or running: it may still come.
      return undefined;
  }
}

/** What was added to a log, at most its last megabyte; a log that is not there yet is empty. */
async function readFrom(path: string, from: number): Promise<{ readonly text: string; readonly end: number }> {
  const most = 2 ** 20;
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return { text: '', end: from };
  try {
    const { size } = await file.stat();
    const start = Math.max(Math.min(from, size), size - most);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start);
    return { text: buffer.toString('latin1', 0, bytesRead), end: size };
  } finally {
    await file.close();
  }
}
