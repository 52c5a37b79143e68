// Codes SBX7xxx: images and their cache.
import type { CodeEntry } from './entry.ts';

export const imageCodes = {
  SBX7001: { severity: 'error', summary: 'Image cannot be built', meaning: 'A step of an image recipe failed.' },
  SBX7002: {
    severity: 'error',
    summary: 'No such recipe',
    meaning: 'An image names a recipe under images/ of sbx that is not there, or that cannot be read.',
  },
  SBX7003: {
    severity: 'error',
    summary: 'Images cannot be built on this system',
    meaning: 'Recipes take their packages from apt. Use an image of your own files on other systems.',
  },
  SBX7004: {
    severity: 'error',
    summary: 'Packages cannot be had',
    meaning: 'apt does not know a package, cannot download it, or gave a file that is not what its index says.',
  },
  SBX7005: {
    severity: 'error',
    summary: 'Image is damaged',
    meaning:
      'A file of the image cache is missing, cut or changed. It is built again by the next apply or image build.',
  },
  SBX7006: {
    severity: 'error',
    summary: 'Image file cannot be used',
    meaning:
      'A file named by an image is missing, unreadable, too large, or not what its key says: a kernel that is no bzImage and no ELF file with a PVH entry, a disk that names other files, is encrypted, or has features that sbx does not know.',
  },
  SBX7007: {
    severity: 'error',
    summary: 'Disk cannot be made',
    meaning: 'A disk of a VM could not be created, copied or grown: no space, too small, or a file in the way.',
  },
  SBX7008: {
    severity: 'error',
    summary: 'Volume holds data',
    meaning: 'A rollback would have removed a volume that something was written to. It stays; sbx destroy removes it.',
  },
  SBX7009: {
    severity: 'error',
    summary: 'Image file changed',
    meaning:
      'A file of an image is no longer what it was when the plan was made, or when the image was last applied. Nothing was started from it.',
  },
} as const satisfies Record<string, CodeEntry>;
