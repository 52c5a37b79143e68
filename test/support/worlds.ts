// Runs a test file again on small hosts of its own: as root and as an ordinary user.
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const world = fileURLToPath(new URL('world.sh', import.meta.url));
const loader = fileURLToPath(import.meta.resolve('tsx'));

/** Whether this process runs inside such a world. */
export const insideWorld: boolean = process.env['SBX_TEST_WORLD'] !== undefined;

/** Spawns the file as a subtest per user; says what it skips. Only root can make a world and become an ordinary user in it. */
export async function inWorlds(t: Test, file: string): Promise<void> {
  if (process.geteuid?.() !== 0) {
    const skip = 'needs root, to make a network of its own and become an ordinary user in it';
    await t.test('as root and as an ordinary user', { skip }, async () => undefined);
    return;
  }
  t.setTimeout(620_000);
  for (const [uid, name] of [
    [0, 'as root'],
    [1000, 'as an ordinary user'],
  ] as const) {
    const args = [world, String(uid), process.execPath, '--import', loader, fileURLToPath(file)];
    const env = { PATH: process.env['PATH'] ?? '', HOME: '/tmp', TAP: '1', TAP_TIMEOUT: '300' };
    await t.spawn('/bin/sh', args, { env, timeout: 300_000 }, name);
  }
}

/** Spawns the file as a subtest in such a world, as the user who runs it. Nothing is downloaded in there. */
export async function inWorld(t: Test, file: string, timeout: number): Promise<void> {
  const uid = String(process.geteuid?.() ?? 0);
  const args = [world, uid, process.execPath, '--import', loader, fileURLToPath(file)];
  const { NODE_OPTIONS: _loader, ...env } = process.env;
  await t.spawn(
    '/bin/sh',
    args,
    { env: { ...env, TAP: '1', TAP_TIMEOUT: String(timeout / 1000) }, timeout },
    'in a world',
  );
}
