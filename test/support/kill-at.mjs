// Loaded into the real sbx with --import: kills it at a write of its journal. KILL_AT=where:number[:ms]
// where: `before-write`, `after-write` (not yet synced), `after-sync`, then so many ms later.
import { open } from 'node:fs/promises';

const [where, number, ms = '0'] = (process.env.KILL_AT ?? '').split(':');
const file = await open('/dev/null', 'r');
const prototype = Object.getPrototypeOf(file);
await file.close();
const { appendFile, datasync } = prototype;
let writes = 0;

/** Whether it is time: never comes back when it is, unless in so many ms. */
function killAt(point) {
  if (point !== where || writes !== Number(number)) return;
  if (ms === '0') process.kill(process.pid, 'SIGKILL');
  else setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(ms));
}

prototype.appendFile = async function appendAndKill(...words) {
  writes += 1;
  killAt('before-write');
  await appendFile.apply(this, words);
  killAt('after-write');
};

prototype.datasync = async function syncAndKill() {
  await datasync.call(this);
  killAt('after-sync');
};
