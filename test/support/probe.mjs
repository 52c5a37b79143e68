// probe.mjs PROTOCOL ADDRESS PORT: prints what a server answers. Exit 1 and the reason when there is no answer in 3 s.
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

const [, , protocol, address, port] = process.argv;
const fail = (reason) => {
  process.stdout.write(String(reason));
  process.exit(1);
};
setTimeout(() => fail('timeout'), 3000).unref();

if (protocol === 'tcp') {
  const socket = connect(Number(port), address);
  socket.on('error', (error) => fail(error.code));
  socket.on('end', () => fail('empty'));
  socket.on('data', (data) => process.stdout.write(data, () => process.exit(0)));
} else {
  const socket = createSocket('udp4');
  socket.on('error', (error) => fail(error.code));
  socket.on('message', (data) => process.stdout.write(data, () => process.exit(0)));
  // Connected, so that a refusal by ICMP is heard.
  socket.connect(Number(port), address, () => socket.send('?'));
}
