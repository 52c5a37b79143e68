// The floor of reading sockets: connect, one GET, the body as JSON, close. Nothing is checked and nothing has a limit.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { eachOf } from './each-of.ts';

function readState(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let text = '';
    socket.write('GET /api/v1/vm.info HTTP/1.1\r\nHost: localhost\r\n\r\n');
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const body = text.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: *(\d+)/i.exec(text)?.[1]);
      if (body < 4 || text.length < body + length) return;
      socket.destroy();
      resolve((JSON.parse(text.slice(body)) as { state: string }).state);
    });
  });
}

async function main(): Promise<void> {
  const paths = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as readonly string[];
  const states = await eachOf(paths, readState);
  process.stdout.write(`${states.filter((state) => state === 'Running').length} running\n`);
}

void main();
