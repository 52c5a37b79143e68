// The table of all diagnostic codes, joined from one file per thousand. docs/errors.md is generated from it.
import { bugCodes } from './codes/bug.ts';
import { expandCodes } from './codes/expand.ts';
import { fileCodes } from './codes/file.ts';
import { guestCodes } from './codes/guest.ts';
import { hostCodes } from './codes/host.ts';
import { imageCodes } from './codes/image.ts';
import { planCodes } from './codes/plan.ts';
import { stateCodes } from './codes/state.ts';
import { usageCodes } from './codes/usage.ts';
import { vmmCodes } from './codes/vmm.ts';

export const codes = {
  ...usageCodes,
  ...fileCodes,
  ...expandCodes,
  ...planCodes,
  ...stateCodes,
  ...vmmCodes,
  ...hostCodes,
  ...imageCodes,
  ...guestCodes,
  ...bugCodes,
} as const;

/** A stable diagnostic code such as `SBX1203`. */
export type Code = keyof typeof codes;
