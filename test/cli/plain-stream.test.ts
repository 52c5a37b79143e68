import fc from 'fast-check';
import t from 'tap';
import { plainStream } from '../../src/cli/plain-stream.ts';

function shown(...chunks: readonly (string | Buffer)[]): string {
  let text = '';
  const stream = plainStream((part) => {
    text += part;
  });
  for (const chunk of chunks) stream.write(Buffer.from(chunk));
  stream.end();
  return text;
}

t.test('what steers a terminal is shown by its code', async (t) => {
  const cases: readonly (readonly [string | Buffer, string])[] = [
    ['~ # \u001b[6n', '~ # \\x1b[6n'],
    ['\u001b]0;title\u0007\u001b[31mred\u001b[0m', '\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m'],
    ['one\r\ntwo\r\r\n\tthree', 'one\ntwo\n\tthree'],
    ['10%\r20%', '10%\\x0d20%'],
    ['\u009b6n', '\\x9b6n'],
    [Buffer.from([0x9b, 0x36, 0x6e]), '\ufffd6n'],
    ['safe\u202etxt.exe', 'safe\\u{202e}txt.exe'],
    ['gr\u00fc\u00df \u4f60\u597d \u{1f600}', 'gr\u00fc\u00df \u4f60\u597d \u{1f600}'],
    ['a\bb\u007f\0', 'a\\x08b\\x7f\\x00'],
  ];
  for (const [given, want] of cases) t.equal(shown(given), want, JSON.stringify(given));
});

t.test('it is the same however the bytes are cut, and never holds a control character', async (t) => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: fc.constantFrom('\r', '\n', '\u001b', '\u00e9', 'x') }),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const whole = Buffer.from(given as string);
      const single = [...whole].map((byte) => Buffer.from([byte]));
      const text = shown(whole);
      return shown(...single) === text && !/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/.test(text);
    }),
  );
  t.pass();
});
