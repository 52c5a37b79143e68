// JSON of the VMM without losing digits: its counters begin at 2^64 - 1, which a double cannot hold. Pure.

/** Parses JSON text; integers that a number cannot hold become bigint. Throws SyntaxError like JSON.parse. */
export function parseLossless(text: string): unknown {
  // Almost every reply has no number of sixteen digits, and JSON.parse alone is right for it.
  if (!/\d{16}/.test(text)) return JSON.parse(text);
  let found = false;
  const rewritten = text.replace(tokens, (token) => {
    if (token.startsWith('"') || !/^-?\d{16,}$/.test(token) || Number.isSafeInteger(Number(token))) return token;
    found = true;
    return `"${mark}${token}"`;
  });
  if (!found) return JSON.parse(text);
  return JSON.parse(rewritten, (_key, value: unknown) =>
    typeof value === 'string' && marked.test(value) ? BigInt(value.slice(mark.length)) : value,
  );
}

/** Strings and numbers, whole, so that digits inside strings are left alone. */
const tokens = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** In front of rewritten integers; private-use characters that no VMM writes. */
const mark = '\uE000\uE001sbx-integer:';

const marked = new RegExp(`^${mark}-?\\d+$`);
