// The table of commands, in the order of --help.
import type { CommandDefinition, CommandGroup } from '../command.ts';
import { apply } from './apply.ts';
import { guestConsole } from './console.ts';
import { cp } from './cp.ts';
import { destroy } from './destroy.ts';
import { doctor } from './doctor.ts';
import { exec } from './exec.ts';
import { gc } from './gc.ts';
import { image } from './image.ts';
import { init } from './init.ts';
import { logs } from './logs.ts';
import { output } from './output.ts';
import { plan } from './plan.ts';
import { restart, start, stop } from './power.ts';
import { shell } from './shell.ts';
import { show } from './show.ts';
import { status } from './status.ts';
import { validate } from './validate.ts';
import { version } from './version.ts';

/** Every command of sbx. */
export const commandTable: readonly (CommandDefinition | CommandGroup)[] = [
  init,
  validate,
  plan,
  apply,
  destroy,
  status,
  show,
  output,
  start,
  stop,
  restart,
  exec,
  shell,
  cp,
  logs,
  guestConsole,
  image,
  doctor,
  gc,
  version,
];
