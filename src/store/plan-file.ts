// Saved plans: what `plan -o` writes and `apply PLANFILE` takes. Sealed with the key of the home.
import { timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import { describeError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import type { Plan } from '../core/plan/plan.ts';
import type { PlanRequest } from '../core/plan/request.ts';
import { writeFileUnlocked } from '../host/files.ts';
import type { Home } from './home.ts';
import { homeFailure } from './home-failure.ts';
import { ensureKey, type HomeKey, keyId, readKey, sealOf } from './key.ts';

/** A plan with all that is needed to load the same file again and see that nothing moved. */
export interface SavedPlan {
  readonly format_version: 1;
  readonly plan: Plan;
  /** Digest of everything that the file and the files it names say */
  readonly fileDigest: string;
  /** Values of variables that were given; never sensitive ones */
  readonly vars: Readonly<Record<string, Json>>;
  /** Absolute paths of the files given with -f, or of the one that was found */
  readonly files: readonly string[];
  /** Value of --vmm */
  readonly vmm?: 'auto' | 'cloud-hypervisor' | 'qemu';
  /** `Snapshot.stamp` that the plan was made from */
  readonly stamp: string;
  /** What was asked for */
  readonly request: PlanRequest;
  readonly instance?: string;
  readonly allowPaths: readonly string[];
  readonly allowPublicPorts: boolean;
  readonly allowHostLoopback: boolean;
}

/** The file: the plan beside its seal. */
interface SealedPlan {
  readonly format_version: 1;
  readonly key_id: string;
  readonly seal: string;
  readonly saved: SavedPlan;
}

const sizeLimit = 512 * 1024 * 1024;

/** Writes a plan file, mode 0600, sealed with the key of the home, which is made when there is none. Throws SBX4008. */
export async function writePlanFile(path: string, saved: SavedPlan, home: Home): Promise<void> {
  const key = await ensureKey(home);
  const text = JSON.stringify(saved);
  const head = { format_version: 1, key_id: keyId(key), seal: sealOf(key, text).toString('hex') };
  const whole = `${JSON.stringify(head).slice(0, -1)},"saved":${text}}\n`;
  await writeFileUnlocked(path, whole).catch(homeFailure(`write the plan ${path}`));
}

/**
 * Reads a plan file: SBX4020 when it cannot be read or is none, SBX4021 when it was changed, SBX4022 when another home
 * made it, SBX4023 when a newer sbx did. Writes nothing.
 */
export async function readPlanFile(path: string, home: Home): Promise<Checked<SavedPlan>> {
  const file = await readSealed(path);
  if (!file.ok) return file;
  const key = await readKey(home);
  if (key === undefined || keyId(key) !== file.value.key_id) {
    const detail = `${path} was not made in the home ${home.state}.`;
    return failed(diagnostic('SBX4022', { detail, hint: 'Plan again here, or give the --home that it was made in.' }));
  }
  if (isSealed(key, file.value)) return ok(file.value.saved);
  const detail = `${path} is not as sbx wrote it.`;
  return failed(diagnostic('SBX4021', { detail, hint: `Plan again:\nsbx plan -o ${path}` }));
}

async function readSealed(path: string): Promise<Checked<SealedPlan>> {
  const unreadable = (reason: string) => failed(diagnostic('SBX4020', { detail: `${path} ${reason}.` }));
  let json: unknown;
  try {
    const { size, ...kind } = await stat(path).then((found) => ({ size: found.size, isFile: found.isFile() }));
    if (!kind.isFile) return unreadable('is not a regular file');
    if (size > sizeLimit) return unreadable(`has ${size} bytes; no plan is that large`);
    json = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    return unreadable(`cannot be read: ${describeError(error)}`);
  }
  const version = versionOf(json);
  if (version === undefined) return unreadable('is not a plan that sbx wrote');
  if (version > 1) {
    const detail = `${path} has format ${version}; this sbx knows formats up to 1.`;
    return failed(
      diagnostic('SBX4023', { detail, hint: 'Plan again with this sbx, or apply with the one that planned.' }),
    );
  }
  return isSealedPlan(json) ? ok(json) : unreadable('is not a plan that sbx wrote');
}

function versionOf(json: unknown): number | undefined {
  if (typeof json !== 'object' || json === null || !('format_version' in json)) return undefined;
  const version = json.format_version;
  return typeof version === 'number' && Number.isInteger(version) && version >= 1 ? version : undefined;
}

/** The seal stands for the shape of what is sealed: nobody else can make one. */
function isSealedPlan(json: unknown): json is SealedPlan {
  if (typeof json !== 'object' || json === null) return false;
  const { key_id, seal, saved } = json as Partial<Record<keyof SealedPlan, unknown>>;
  return typeof key_id === 'string' && typeof seal === 'string' && typeof saved === 'object' && saved !== null;
}

function isSealed(key: HomeKey, file: SealedPlan): boolean {
  const want = sealOf(key, JSON.stringify(file.saved));
  const got = Buffer.from(file.seal, 'hex');
  return got.length === want.length && timingSafeEqual(got, want);
}
