import t from 'tap';
import { connectQmp, queryQmp } from '../../../src/vmm/qemu/client.ts';
import { refusal, silent, socketIn, startFakeQmp } from '../../support/fake-qmp.ts';

const limit = { timeoutMs: 1500 };

t.test('answers are told apart by id, whatever comes in between', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }, socket) => {
      socket.write('{"event":"RTC_CHANGE","data":{"offset":1},"timestamp":{"seconds":1,"microseconds":2}}\r\n');
      return { asked: execute };
    },
  });
  const connection = await connectQmp(path);
  t.strictSame(await connection.ask([{ execute: 'a' }, { execute: 'b' }]), [
    { ok: true, value: { asked: 'a' } },
    { ok: true, value: { asked: 'b' } },
  ]);
  connection.close();
});

t.test('answers in another order than the questions find their questions', async (t) => {
  const held: string[] = [];
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }, socket) => {
      if (execute === 'qmp_capabilities') return {};
      held.push(execute);
      if (held.length === 2) socket.write('{"return":"second","id":3}\r\n{"return":"first","id":2}\r\n');
      return silent;
    },
  });
  const connection = await connectQmp(path, limit);
  t.strictSame(await connection.ask([{ execute: 'a' }, { execute: 'b' }]), [
    { ok: true, value: 'first' },
    { ok: true, value: 'second' },
  ]);
  connection.close();
});

t.test('a refusal keeps its class and words, and fails only what must succeed', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }) => (execute === 'device_del' ? refusal('no such device', 'DeviceNotFound') : {}),
  });
  const connection = await connectQmp(path, limit);
  t.strictSame(await connection.ask([{ execute: 'device_del' }]), [
    { ok: false, errorClass: 'DeviceNotFound', description: 'no such device' },
  ]);
  await t.rejects(connection.must('device_del'), {
    code: 'SBX5002',
    message: 'QEMU refused device_del: no such device',
  });
  connection.close();
});

t.test('an answer cut into single bytes is put together again', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }, socket) => {
      if (execute !== 'slow') return {};
      for (const letter of '{"return":{"name":"größe"},"id":2}\r\n') socket.write(letter);
      return silent;
    },
  });
  const connection = await connectQmp(path, { timeoutMs: 20_000 });
  t.strictSame(await connection.must('slow'), { name: 'größe' });
  connection.close();
});

const faults = [
  { name: 'a greeting of another protocol', greeting: 'HTTP/1.1 400 Bad Request\r\n', want: /not QMP: "HTTP/ },
  { name: 'a greeting that is a number', greeting: '17\n', want: /not QMP: "17"/ },
  { name: 'no answer', answer: () => silent, want: /does not answer qmp_capabilities within 1500 ms/ },
  {
    name: 'half an answer and the end',
    answer: (_request: unknown, socket: { end: (text: string) => void }) => {
      socket.end('{"return": {"sta');
      return silent;
    },
    want: /closed the connection/,
  },
  {
    name: 'half an answer and a hang',
    answer: (_request: unknown, socket: { write: (text: string) => void }) => {
      socket.write('{"return": {"sta');
      return silent;
    },
    want: /does not answer/,
  },
  {
    name: 'an answer to nothing that was asked',
    answer: (_request: unknown, socket: { write: (text: string) => void }) => {
      socket.write('{"return": {}, "id": "x"}\n{"return": {}}\n');
      return silent;
    },
    want: /does not answer/,
  },
  {
    name: 'garbage',
    answer: (_request: unknown, socket: { write: (bytes: Buffer) => void }) => {
      socket.write(Buffer.from([0, 255, 254, 10]));
      return silent;
    },
    want: /not QMP/,
  },
];

for (const { name, want, ...behaviour } of faults) {
  t.test(`${name} is a failure with a reason`, async (t) => {
    const { path } = await startFakeQmp(t, socketIn(t), behaviour as never);
    await t.rejects(connectQmp(path, limit), { code: 'SBX5003', message: want });
    await t.rejects(queryQmp(path, [{ execute: 'query-status' }], 300), { code: 'SBX5003' });
  });
}

t.test('no greeting is a failure, in time', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), { greeting: '' });
  await t.rejects(connectQmp(path, limit), { code: 'SBX5003', message: /sends no greeting/ });
});

t.test('a flood of events does not keep an answer from its time limit', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }, socket) => {
      if (execute === 'qmp_capabilities') return {};
      const flood = `${'{"event":"VSERPORT_CHANGE","data":{"id":"ga0","open":true}}\n'.repeat(1000)}`;
      const pour = () => {
        if (!socket.destroyed && socket.write(flood)) setImmediate(pour);
      };
      socket.on('drain', pour);
      pour();
      return silent;
    },
  });
  const connection = await connectQmp(path, limit);
  await t.rejects(connection.must('query-status'), { code: 'SBX5003', message: /does not answer query-status/ });
});

t.test('nobody at the socket is told by the cause', async (t) => {
  await t.rejects(connectQmp(socketIn(t), limit), { code: 'SBX5003', cause: { code: 'ENOENT' } });
});

t.test('questions that change something wait for the greeting, so that none is left behind in a queue', async (t) => {
  const { path, asked } = await startFakeQmp(t, socketIn(t));
  const first = await connectQmp(path);
  await t.rejects(connectQmp(path, limit), { code: 'SBX5003', message: /another client may hold its socket/ });
  first.close();
  const second = await connectQmp(path);
  await second.must('stop');
  second.close();
  t.strictSame(
    asked.map((request) => request.execute),
    ['qmp_capabilities', 'qmp_capabilities', 'stop'],
  );
});

t.test('a query waits for its turn and takes one round trip', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), { answer: ({ execute }) => execute });
  const first = await connectQmp(path);
  const answers = queryQmp(path, [{ execute: 'a' }, { execute: 'b' }], 2000);
  first.close();
  t.strictSame(await answers, [
    { ok: true, value: 'a' },
    { ok: true, value: 'b' },
  ]);
});

t.test('an event is waited for, for as long as it may take', async (t) => {
  const { path } = await startFakeQmp(t, socketIn(t), {
    answer: ({ execute }, socket) => {
      if (execute === 'device_del') socket.write('{"event":"DEVICE_DELETED","data":{"device":"disk-data"}}\n');
      return {};
    },
  });
  const connection = await connectQmp(path);
  const mine = connection.event(({ data }) => data['device'] === 'disk-data', 2000);
  const other = connection.event(({ data }) => data['device'] === 'disk-root', 100);
  await connection.must('device_del');
  t.strictSame([await mine, await other], [true, false]);
  const last = connection.event(() => true, 2000);
  connection.close();
  t.equal(await last, false, 'a closed connection has no more events');
});
