// A program of its own: tries a TCP port, or an HTTP path on it, until it answers. It is run inside the namespace of a
// sandbox, where sbx itself is not. Exit 0: it answered; 1: not in time, what was last seen is on stdout; 64: wrong call.
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const attemptMs = 2000;
const pauseMs = 100;

/** One try; undefined when it answered, else what was seen. */
function attempt(host: string, port: number, request: string | undefined): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let head = '';
    const finish = (seen: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(seen);
    };
    const timer = setTimeout(() => finish(`no answer within ${attemptMs} ms`), attemptMs);
    socket.on('connect', () => {
      if (request === undefined) finish(undefined);
      else socket.write(request);
    });
    socket.on('data', (chunk) => {
      head += chunk.toString('latin1');
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
      if (status !== undefined) finish(/^[23]/.test(status) ? undefined : `HTTP status ${status}`);
      else if (head.length > 64) finish('an answer that is not HTTP');
    });
    socket.on('error', (error) => finish(error.message));
    socket.on('close', () => finish('the connection was closed without an answer'));
  });
}

async function main(argv: readonly string[]): Promise<number> {
  const [mode, host = '', port = '', limitMs = '', path = '/'] = argv;
  if ((mode !== 'tcp' && mode !== 'http') || host === '' || !(Number(port) > 0) || !(Number(limitMs) > 0)) return 64;
  const request =
    mode === 'tcp'
      ? undefined
      : `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: sbx\r\nConnection: close\r\n\r\n`;
  const end = performance.now() + Number(limitMs);
  let seen: string | undefined = 'it was never tried';
  while (performance.now() < end) {
    seen = await attempt(host, Number(port), request);
    if (seen === undefined) return 0;
    await delay(pauseMs);
  }
  process.stdout.write(`${seen}\n`);
  return 1;
}

void main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
