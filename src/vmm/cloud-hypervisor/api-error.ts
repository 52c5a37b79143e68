// What the VMM says when it refuses: three body forms over the releases, one chain of causes out of them. Pure.

/** A refusal: the HTTP status, the causes outermost first, and the body as it came. */
export interface Refusal {
  readonly status: number;
  readonly causes: readonly string[];
  readonly raw: string;
}

/**
 * Reads an error body. Handlers send Rust's Debug text (v34 to v37), one line of text (v38 to v46) or a JSON array of causes
 * (since v47); the HTTP parser sends `{"error": …}` with a raw line break inside, which is not JSON.
 */
export function toRefusal(status: number, raw: string): Refusal {
  const causes = fromJson(raw) ?? fromParser(raw) ?? (raw.trim() === '' ? [] : [raw.trim()]);
  return { status, causes: causes.map(printable), raw };
}

/** A refusal as one clause: `500 (The VM could not boot: VM config is missing)`. */
export function describeRefusal(refusal: Refusal): string {
  const causes = refusal.causes.filter((cause) => cause !== 'Error from API');
  return causes.length === 0 ? `status ${refusal.status}` : causes.join(': ');
}

/** What the driver needs to tell apart. */
export type RefusalKind = 'no-vm' | 'busy-removing' | 'other';

/** Tells refusals apart by status and words, since releases use the same status for most of them. */
export function kindOfRefusal({ status, causes }: Refusal): RefusalKind {
  const text = causes.join(' ');
  // v46+ answers 429; v35 to v45 send 500 with the words or the Debug name.
  if (status === 429 || /VcpuPendingRemovedVcpu|Still pending removed vCPU/i.test(text)) return 'busy-removing';
  if (/VmNotCreated|VM is not created|VM config is missing|VmMissingConfig/i.test(text)) return 'no-vm';
  return 'other';
}

/** Whether it says that there is no such device: 404 since v54, which older releases send only where there is no VM. */
export function isUnknownDevice(refusal: Refusal): boolean {
  return refusal.status === 404 && kindOfRefusal(refusal) !== 'no-vm';
}

function fromJson(raw: string): readonly string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    // Not JSON: one of the other forms.
    return undefined;
  }
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
  if (typeof value === 'object' && value !== null && 'error' in value) return [String(value.error)];
  return typeof value === 'string' ? [value] : undefined;
}

function fromParser(raw: string): readonly string[] | undefined {
  const match = /^\s*\{\s*"error":\s*"([\s\S]*?)"\s*\}\s*$/.exec(raw);
  return match?.[1] === undefined ? undefined : [match[1].split('\n')[0] ?? ''];
}

/** Text of a VMM on one line, without control characters, and short enough to be shown. */
function printable(text: string): string {
  const line = text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  return line.length > 600 ? `${line.slice(0, 600)}…` : line;
}
