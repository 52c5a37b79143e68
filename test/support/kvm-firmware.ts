// The firmware that shows whether KVM works, as a file: what the build puts beside the program.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { kvmFirmware } from '../../src/host/kvm-firmware.ts';

/** Writes it for the time of a test, and gives its path. */
export function kvmFirmwareFile(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbx-firmware-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'firmware');
  writeFileSync(path, kvmFirmware());
  return path;
}
