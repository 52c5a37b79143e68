// Listening as the VMM does: files that stay when the process is killed, and HTTP as its small server speaks it.
import { renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';

let counter = 0;

/**
 * Listens on `path`. Node removes the file of a server that it closes; a killed VMM leaves it. So the socket is bound under a
 * passing name and renamed.
 */
export function listen(path, onConnection, onError) {
  counter += 1;
  const passing = `${dirname(path)}/.${process.pid}-${counter}`;
  const sockets = new Set();
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    onConnection(socket, sockets.size);
  });
  server.on('error', onError);
  server.listen({ path: passing, backlog: 128 }, () => renameSync(passing, path));
  return {
    close({ keepFile }) {
      server.close();
      for (const socket of sockets) socket.destroy();
      if (!keepFile) rmSync(path, { force: true });
    },
  };
}

const bodyLimit = 51_200;
const lineLimit = 1024;

/** Serves one connection; `answer(method, path, body)` gives `{status, body, fault}`, one request after the other. */
export function serveHttp(socket, major, answer) {
  let received = Buffer.alloc(0);
  let working = false;
  socket.on('data', (chunk) => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    void work();
  });
  // The real server takes a half-close for a hang-up.
  socket.on('end', () => socket.destroy());

  async function work() {
    if (working) return;
    working = true;
    for (;;) {
      const request = takeRequest();
      if (request === undefined) break;
      if (request.error !== undefined) {
        received = Buffer.alloc(0);
        const text = `{ "error": "${request.error}\nAll previous unanswered requests will be dropped." }`;
        socket.write(head(400, text, 'Firecracker API', major) + text);
        break;
      }
      send(await answer(request.method, request.path, request.body));
      if (socket.destroyed) break;
    }
    working = false;
  }

  function takeRequest() {
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd === -1) return received.length > 64 * 1024 ? { error: 'Request too long' } : undefined;
    const request = readHead(received.toString('latin1', 0, headEnd));
    if (request.error !== undefined) return request;
    const end = headEnd + 4 + request.length;
    if (received.length < end) {
      if (request.expects) socket.write('HTTP/1.1 100 \r\n\r\n');
      return undefined;
    }
    const body = received.toString('utf8', headEnd + 4, end);
    received = received.subarray(end);
    return { ...request, body };
  }

  function send({ status, body = '', fault }) {
    const reply = head(status, body, 'Cloud Hypervisor API', major) + body;
    switch (fault) {
      case undefined:
        return socket.write(reply);
      case 'hang':
      case 'lost':
        return undefined;
      case 'reset':
        return socket.destroy();
      case 'half':
        return socket.end(reply.slice(0, Math.ceil(reply.length / 2)), () => socket.destroy());
      case 'half-hang':
        return socket.write(reply.slice(0, Math.ceil(reply.length / 2)));
      case 'garbage':
        return socket.write('\u0016\u0003\u0001 this is no HTTP\r\n\r\n');
      case 'huge':
        return socket.write(`HTTP/1.1 200 \r\nContent-Length: 9000000\r\n\r\n${' '.repeat(9_000_000)}`);
      default:
        return socket.destroy();
    }
  }
}

/** Request line and headers. Chunked bodies are not known: their bytes are read as the next request. */
function readHead(text) {
  const lines = text.split('\r\n');
  const [method = '', path = '', protocol = ''] = lines[0].split(' ');
  if (lines.some((line) => line.length > lineLimit)) return { error: 'Header line too long' };
  if (!/^HTTP\/1\.[01]$/.test(protocol) || !/^[A-Z]+$/.test(method)) return { error: 'Invalid HTTP request' };
  const declared = lines.find((line) => /^content-length:/i.test(line));
  const length = declared === undefined ? 0 : Number(declared.slice(15).trim());
  if (length > bodyLimit) return { error: 'Payload too large' };
  return { method, path, length, expects: lines.some((line) => /^expect: *100-continue/i.test(line)) };
}

/** The raw 503 of the eleventh connection. */
export function refuseConnection(socket) {
  const text = '{ "error": "Too many open connections" }';
  socket.end(head(503, text, 'Firecracker API', 53) + text, () => socket.destroy());
}

function head(status, body, server, major) {
  const start = `HTTP/1.1 ${status} \r\nServer: ${server}\r\nConnection: keep-alive\r\n`;
  if (status === 204 || status === 100) return `${start}\r\n`;
  // Below v40 a reply without a body has no Content-Length.
  if (body === '' && major < 40) return `${start}\r\n`;
  return `${start}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
}
