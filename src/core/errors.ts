// Thrown failures: SbxError for broken effects, Bug for broken invariants. Everything else is a Diagnostic.
import type { Address } from './address.ts';
import type { Code } from './codes.ts';
import { type Diagnostic, diagnostic } from './diagnostic.ts';

const brand = Symbol.for('sbx.error');

/** An effect that failed. `message` says what failed and why, in words for users; `cause` keeps the original. */
export class SbxError extends Error {
  readonly [brand] = true;
  readonly code: Code;
  readonly address: Address | undefined;
  readonly hint: string | undefined;

  constructor(code: Code, message: string, options: { cause?: unknown; address?: Address; hint?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SbxError';
    this.code = code;
    this.address = options.address;
    this.hint = options.hint;
  }
}

/** Whether a caught value is an SbxError, also across bundles. */
export function isSbxError(error: unknown): error is SbxError {
  return typeof error === 'object' && error !== null && brand in error;
}

/** Throws for a state that cannot be. The only place where internals reach a user. */
export function bug(what: string): never {
  throw new SbxError('SBX9001', what);
}

/** The default branch of an exhaustive switch. */
export function assertNever(value: never): never {
  return bug(`unexpected value ${JSON.stringify(value)}`);
}

/** One sentence for any caught value: its message and the chain of causes, no layer twice. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && parts.length < 6; ) {
    const text = at instanceof Error ? at.message : String(at);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return parts.join(': ');
}

/** The diagnostic of a caught value; what is not an SbxError is a bug in sbx. */
export function toDiagnostic(error: unknown, address?: Address): Diagnostic {
  const where = isSbxError(error) ? (error.address ?? address) : address;
  const hint = isSbxError(error) ? error.hint : undefined;
  return diagnostic(isSbxError(error) ? error.code : 'SBX9002', {
    detail: describeError(error),
    ...(where === undefined ? {} : { address: where }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** The `code` of a Node error such as ENOENT, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}
