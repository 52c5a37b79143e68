// A pseudo-terminal without native code: script(1) of util-linux holds one; what is said to it goes through its pipes.
import { spawn } from 'node:child_process';

/** Opens a pseudo-terminal; whoever opens `path` talks to a guest that answers every line with `fake guest heard: LINE`. */
export function openPty() {
  return new Promise((resolve, reject) => {
    const child = spawn('script', ['-q', '-e', '-c', 'tty; stty -echo raw; exec sleep 86400', '/dev/null'], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let said = '';
    child.on('error', reject);
    child.stdout.on('data', (chunk) => {
      said += chunk.toString('utf8');
      const path = /(\/dev\/pts\/\d+)\r?\n/.exec(said)?.[1];
      if (path !== undefined) resolve({ path, close: () => child.kill('SIGKILL') });
      for (let end = said.search(/[\r\n]/); end !== -1; end = said.search(/[\r\n]/)) {
        const line = said.slice(0, end);
        said = said.slice(end + 1);
        if (line !== '' && line !== path) child.stdin.write(`fake guest heard: ${line}\r\n`);
      }
    });
  });
}
