// Releases below 50.1 take a disk for what its content says, and a guest writes that content: with the header of a qcow2 image
// on its own disk it would be given any file of this host as that image's backing file. Such a disk is not handed over.
import { open } from 'node:fs/promises';
import { SbxError } from '../../core/errors.ts';
import type { DiskSpec } from '../driver.ts';
import { featuresOf, formatVersion, type Version } from './version.ts';

const footerBytes = 512;

/** Refuses disks that this release would not take for raw. Throws SBX5010; SBX5001 for one that cannot be read. */
export async function refuseForged(disks: readonly DiskSpec[], version: Version): Promise<void> {
  if (featuresOf(version).imageType) return;
  for (const disk of disks) {
    const format = await detectedFormat(disk.path);
    if (format === undefined) continue;
    throw new SbxError(
      'SBX5010',
      `Disk "${disk.id}" holds a ${format} image, which Cloud Hypervisor ${formatVersion(version)} would open as one; it may name any file of this host.`,
      { hint: 'Cloud Hypervisor 50.1 or newer, or --vmm qemu, takes the disk as the raw one that it is.' },
    );
  }
}

/** What those releases look for, in this order (virtio-devices and block: detect_image_type). */
async function detectedFormat(path: string): Promise<string | undefined> {
  try {
    const file = await open(path, 'r');
    try {
      const { size } = await file.stat();
      const [head, footer] = [Buffer.alloc(8), Buffer.alloc(8)];
      await file.read(head, 0, head.length, 0);
      await file.read(footer, 0, footer.length, Math.max(0, size - footerBytes));
      if (head.toString('latin1', 0, 4) === 'QFI\u00fb') return 'qcow2';
      if (footer.toString('latin1') === 'conectix') return 'VHD';
      return head.toString('latin1') === 'vhdxfile' ? 'VHDX' : undefined;
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new SbxError('SBX5001', `The disk ${path} cannot be read.`, { cause });
  }
}
