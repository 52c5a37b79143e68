// A firmware that proves that KVM runs real guests: real mode, protected mode, long mode, ten million loops, then it
// writes 0x2a to port 0xf4. A software KVM that only interprets never gets there in time. Hand-assembled for sbx.

/** Size of the image in `bytes`: it ends at the top of the first 4 GiB, where the CPU starts. */
const imageBytes = 64 * 1024;

/** Offset of the first instruction that a CPU runs. */
const resetOffset = 0xfff0;

/** `jmp 0x0000` from the reset vector. */
const resetJump = Buffer.from('e90d00', 'hex');

/** The program; its descriptor table has the accessed bits set, since KVM faults on setting them in ROM. */
const program =
  '+i5mDwEW8AAPIMBmg8gBDyLAZuoaAP//CABmuBAAjtiOwI7QMcC/ABAAALkAEAAA/POrxwUAEAAAAyAAAMcFACAAAAMwAADHBRggAAADQAAA' +
  'xwUAMAAAgwAAAMcF+E8AAIMA4P+4ABAAAA8i2A8g4IPIIA8i4LmAAADADzINAAEAAA8wDyDADQAAAIAPIsDqlgD//xgASLiId2ZVRDMiEUiJ' +
  'BCUAUAAASIscJQBQAABIOcN1FLgBAAAAD6K5gJaYAP/JdfywKub09Ov9jbQAAAAAAAAAAAAA//8AAACbzwD//wAAAJPPAP//AAAAm68AHwDQ' +
  'AP//';

/** Exit code of QEMU's isa-debug-exit for 0x2a: twice the value, plus one. */
export const provenExitCode = 85;

/** The whole image, for QEMU's `-bios`. */
export function kvmFirmware(): Uint8Array {
  const image = Buffer.alloc(imageBytes);
  Buffer.from(program, 'base64').copy(image);
  resetJump.copy(image, resetOffset);
  return image;
}
