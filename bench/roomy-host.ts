// A host with memory for thousands of VMs: fakes take none, but sbx refuses to start more than the host has, and means it.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mark = 'SBX_BENCH_ROOMY';

/**
 * Runs this program once more where /proc/meminfo says that 4 TiB are available, in a mount namespace of its own. Gives its
 * exit code; undefined where it runs there already, and for ordinary users, who measure what their memory allows.
 */
export function runOnRoomyHost(): number | undefined {
  if (process.env[mark] !== undefined || process.getuid?.() !== 0) return undefined;
  const folder = mkdtempSync(join(tmpdir(), 'sbxb-host-'));
  try {
    const meminfo = join(folder, 'meminfo');
    const available = `MemAvailable:   ${4 * 2 ** 30} kB`;
    writeFileSync(meminfo, readFileSync('/proc/meminfo', 'utf8').replace(/^MemAvailable:.*$/m, available));
    const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
    const mount = 'mount --bind "$0" /proc/meminfo; exec "$@"';
    const run = spawnSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', mount, meminfo, ...again], {
      stdio: 'inherit',
      env: { ...process.env, [mark]: '1' },
    });
    return run.status ?? 1;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
