// echo-server.mjs PROTOCOL ADDRESS PORT NAME: answers everybody with its name and the address that it saw. Prints `ready`.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [, , protocol, address, port, name] = process.argv;
const ready = () => process.stdout.write('ready\n');

if (protocol === 'tcp') {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${name} ${socket.remoteAddress}`);
  });
  server.listen(Number(port), address, ready);
} else {
  const socket = createSocket('udp4');
  socket.on('message', (_, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
  socket.bind(Number(port), address, ready);
}
