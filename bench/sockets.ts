// Sockets of running fake VMMs, and a change made behind sbx's back on one of them.
import { readdirSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { BenchFailure } from './measure.ts';

/** API sockets below a home, sorted. */
export function findSockets(home: string): readonly string[] {
  const found = readdirSync(join(home, 'run'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name === 'api.sock')
    .map((entry) => join(entry.parentPath, entry.name));
  return found.sort();
}

/** State of the VM behind a socket, as the VMM says it. */
export function getState(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path: '/api/v1/vm.info', timeout: 10_000 }, (reply) => {
      let text = '';
      reply.setEncoding('utf8');
      reply.on('data', (chunk) => {
        text += chunk;
      });
      reply.on('end', () => resolve(reply.statusCode === 200 ? (JSON.parse(text) as { state: string }).state : text));
    });
    call.on('error', reject);
    call.end();
  });
}

/** One PUT to a VMM, past sbx. */
export function put(socketPath: string, action: string, body?: object): Promise<void> {
  const text = body === undefined ? '' : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = request(
      {
        socketPath,
        path: `/api/v1/${action}`,
        method: 'PUT',
        headers: text === '' ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
        timeout: 10_000,
      },
      (reply) => {
        reply.resume();
        const status = reply.statusCode ?? 0;
        reply.on('end', () => (status < 300 ? resolve() : reject(new BenchFailure(`${action}: ${status}`))));
      },
    );
    call.on('error', reject);
    call.end(text);
  });
}
