// Standard input as the text of a file: read once, whole, within the bounds of a file.
import { type Checked, failed, ok } from '../core/checked.ts';
import { diagnostic } from '../core/diagnostic.ts';
import type { Io } from './services.ts';
import { maxSourceBytes } from './source-files.ts';

/** A function that reads standard input when it is first called and gives the same text at every call. SBX0001, SBX1003, SBX1005. */
export function stdinReader(stdin: Io['stdin']): () => Promise<Checked<string>> {
  let text: Promise<Checked<string>> | undefined;
  return () => {
    text ??= readAll(stdin);
    return text;
  };
}

async function readAll(stdin: Io['stdin']): Promise<Checked<string>> {
  if (stdin.isTTY === true)
    return failed(
      diagnostic('SBX0001', {
        detail: '-f - reads the file from standard input, which is a terminal here.',
        hint: 'give it a pipe or a file:\nsbx plan -f - < sbx.yaml',
      }),
    );
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk);
    size += bytes.length;
    if (size > maxSourceBytes)
      return failed(
        diagnostic('SBX1003', { detail: `Standard input has more than the ${maxSourceBytes} bytes that are read.` }),
      );
    chunks.push(bytes);
  }
  try {
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    return failed(diagnostic('SBX1005', { detail: 'Standard input is not text in UTF-8.' }));
  }
}
