import fc from 'fast-check';
import t from 'tap';
import { describeRefusal, kindOfRefusal, toRefusal } from '../../../src/vmm/cloud-hypervisor/api-error.ts';
import { parseLossless } from '../../../src/vmm/cloud-hypervisor/lossless.ts';
import { parseReply } from '../../../src/vmm/cloud-hypervisor/read-socket.ts';

t.test('refusals of every release give the same chain', async (t) => {
  const cases = [
    {
      name: 'v34, Debug text',
      status: 500,
      raw: 'ApiError(VmInfo(VmNotCreated))',
      want: 'ApiError(VmInfo(VmNotCreated))',
      kind: 'no-vm',
    },
    { name: 'v40, one line', status: 500, raw: 'VM is not created', want: 'VM is not created', kind: 'no-vm' },
    {
      name: 'v53, array',
      status: 404,
      raw: '["Error from API","The VM info is not available","VM is not created"]',
      want: 'The VM info is not available: VM is not created',
      kind: 'no-vm',
    },
    {
      name: 'the parser, with a raw line break',
      status: 400,
      raw: '{ "error": "Invalid header\nAll previous unanswered requests will be dropped." }',
      want: 'Invalid header',
      kind: 'other',
    },
    {
      name: 'v46, pending removal',
      status: 429,
      raw: '["Too Many Requests"]',
      want: 'Too Many Requests',
      kind: 'busy-removing',
    },
    {
      name: 'v45, pending removal',
      status: 500,
      raw: 'Still pending removed vCPU',
      want: 'Still pending removed vCPU',
      kind: 'busy-removing',
    },
    { name: 'empty', status: 500, raw: '', want: 'status 500', kind: 'other' },
    { name: 'control characters', status: 500, raw: '["a\\u001b[31mb"]', want: 'a [31mb', kind: 'other' },
  ];
  for (const { name, status, raw, want, kind } of cases) {
    const refusal = toRefusal(status, raw);
    t.equal(describeRefusal(refusal), want, name);
    t.equal(kindOfRefusal(refusal), kind, name);
    t.equal(refusal.raw, raw, 'the body is kept');
  }
});

t.test('64-bit counters keep their digits', async (t) => {
  t.strictSame(parseLossless('{"min":18446744073709551615,"n":-9223372036854775808}'), {
    min: 18446744073709551615n,
    n: -9223372036854775808n,
  });
  t.strictSame(parseLossless('{"a":9007199254740991,"b":1.2345678901234567,"c":"18446744073709551615"}'), {
    a: 9007199254740991,
    b: 1.2345678901234567,
    c: '18446744073709551615',
  });
  t.throws(() => parseLossless('{"a":18446744073709551615'), SyntaxError);
});

t.test('lossless parsing is JSON.parse, with integers that a number would round as bigint', async (t) => {
  const rounded = (value: unknown): string =>
    JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? Number(item) : item));
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const text = JSON.stringify(value);
        return rounded(parseLossless(text)) === rounded(JSON.parse(text));
      }),
    ),
  );
});

t.test('a reply is read whole however it is cut', async (t) => {
  const body = '{"state":"Running — läuft"}';
  const bytes = Buffer.from(`HTTP/1.1 200 \r\nServer: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  for (let cut = 0; cut < bytes.length; cut += 1) {
    t.type(parseReply(bytes.subarray(0, cut), false), 'number', `${cut} bytes are not enough`);
  }
  t.strictSame(parseReply(bytes, false), { type: 'reply', status: 200, text: body });
});

t.test('replies without a length', async (t) => {
  t.strictSame(parseReply(Buffer.from('HTTP/1.1 204 \r\n\r\n'), false), { type: 'reply', status: 204, text: '' });
  t.equal(parseReply(Buffer.from('HTTP/1.1 500 \r\n\r\nabc'), false), 1, 'wait for the end');
  t.strictSame(parseReply(Buffer.from('HTTP/1.1 500 \r\n\r\nabc'), true), { type: 'reply', status: 500, text: 'abc' });
  t.strictSame(
    parseReply(Buffer.from('HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n'), false),
    { type: 'reply', status: 204, text: '' },
    'an interim reply is skipped',
  );
});

t.test('what is no HTTP is told at once', async (t) => {
  for (const text of ['\u0016\u0003', 'SSH-2.0-x\r\n\r\n', 'HTTP/2 200\r\n\r\n', '{"state":"Running"}']) {
    t.match(parseReply(Buffer.from(text), false), { type: 'garbled' }, JSON.stringify(text));
  }
});

t.test('no bytes make the reader throw', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.boolean(),
        (bytes, ended) => void parseReply(Buffer.from(bytes), ended),
      ),
    ),
  );
});
