// A guest agent inside the test process, with the manners of the real one (QEMU Guest Agent 7.2): one client at a time, no
// ids, answers of former clients left in the pipe, errors for noise. Commands run on the host; files are real.
import { spawn } from 'node:child_process';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { Duplex } from 'node:stream';

export interface FakeOptions {
  /** Sent the moment a client connects: what a former client left behind */
  readonly leftovers?: readonly (string | Buffer)[];
  /** Commands that get no answer */
  readonly silent?: readonly string[];
  /** Sent before each answer */
  readonly noise?: string;
  /** Answers come in pieces of this many bytes */
  readonly pieces?: number;
  /** Ends the stream instead of answering this command */
  readonly hangUpOn?: string;
  readonly vcpus?: { 'logical-id': number; online: boolean; 'can-offline'?: boolean }[];
}

interface Run {
  out: Buffer[];
  err: Buffer[];
  end?: { exitcode?: number; signal?: number };
}

export interface FakeAgent {
  readonly open: () => Promise<Duplex>;
  /** Names of commands in the order they came */
  readonly asked: string[];
}

export function fakeAgent(options: FakeOptions = {}): FakeAgent {
  const asked: string[] = [];
  const runs = new Map<number, Run>();
  return { asked, open: async () => connectClient(options, asked, runs) };
}

function connectClient(options: FakeOptions, asked: string[], runs: Map<number, Run>): Duplex {
  let input = Buffer.alloc(0);
  let hungUp = false;
  const client = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      input = Buffer.concat([input, chunk]);
      for (let end = input.indexOf(10); end !== -1; end = input.indexOf(10)) {
        const line = input.subarray(0, end);
        input = input.subarray(end + 1);
        answer(line);
      }
      done();
    },
  });
  // A client that has left, or was hung up on, gets no more.
  const open = (): boolean => !client.destroyed && !client.readableEnded && !hungUp;
  const send = (bytes: Buffer): void => {
    const step = options.pieces ?? bytes.length;
    for (let at = 0; at < bytes.length; at += step) if (open()) client.push(bytes.subarray(at, at + step));
  };
  const answer = (line: Buffer): void => {
    // The parser is reset by 0xFF and complains of it.
    if (line[0] === 0xff)
      send(Buffer.from('{"error": {"class": "GenericError", "desc": "JSON parse error, stray \'\uFFFD\'"}}\n'));
    const text = line[0] === 0xff ? line.subarray(1) : line;
    const { execute, arguments: args } = JSON.parse(text.toString()) as {
      execute: string;
      arguments: Record<string, never>;
    };
    asked.push(execute);
    if (options.silent?.includes(execute) === true) return;
    if (options.hangUpOn === execute) {
      hungUp = true;
      client.push(null);
      return;
    }
    if (options.noise !== undefined && execute !== 'guest-sync-delimited') send(Buffer.from(options.noise));
    const value = serve(execute, args ?? {}, runs, options);
    const mark = execute === 'guest-sync-delimited' ? Buffer.from([0xff]) : Buffer.alloc(0);
    send(Buffer.concat([mark, Buffer.from(`${JSON.stringify(value)}\n`)]));
  };
  for (const piece of options.leftovers ?? []) send(Buffer.from(piece));
  return client;
}

type Args = Readonly<Record<string, unknown>>;

function serve(execute: string, args: Args, runs: Map<number, Run>, options: FakeOptions): object {
  try {
    return { return: commands(execute, args, runs, options) };
  } catch (error) {
    return { error: { class: 'GenericError', desc: error instanceof Error ? error.message : String(error) } };
  }
}

function commands(execute: string, args: Args, runs: Map<number, Run>, options: FakeOptions): unknown {
  switch (execute) {
    case 'guest-sync-delimited':
      return args['id'];
    case 'guest-ping':
      return {};
    case 'guest-exec':
      return { pid: start(args, runs) };
    case 'guest-exec-status':
      return status(Number(args['pid']), runs);
    case 'guest-file-open':
      return openSync(String(args['path']), args['mode'] === 'w' ? 'w' : 'r');
    case 'guest-file-read': {
      const buffer = Buffer.alloc(Number(args['count']));
      const count = readSync(Number(args['handle']), buffer);
      return { count, 'buf-b64': buffer.subarray(0, count).toString('base64'), eof: count < buffer.length };
    }
    case 'guest-file-write':
      return { count: writeSync(Number(args['handle']), Buffer.from(String(args['buf-b64']), 'base64')), eof: false };
    case 'guest-file-close':
      closeSync(Number(args['handle']));
      return {};
    case 'guest-get-vcpus':
      return options.vcpus ?? [];
    case 'guest-set-vcpus':
      for (const wanted of args['vcpus'] as { 'logical-id': number; online: boolean }[])
        for (const cpu of options.vcpus ?? [])
          if (cpu['logical-id'] === wanted['logical-id']) cpu.online = wanted.online;
      return (args['vcpus'] as unknown[]).length;
    case 'guest-get-time':
      return 1_700_000_000_500_000_000;
    case 'guest-network-get-interfaces':
      return [
        { name: 'lo' },
        { name: 'eth0', 'hardware-address': 'aa', 'ip-addresses': [{ 'ip-address': '10.0.0.1', prefix: 24 }] },
      ];
    default:
      throw new Error(`The command ${execute} has not been found`);
  }
}

function start(args: Args, runs: Map<number, Run>): number {
  const path = String(args['path']);
  if (path.includes('missing'))
    throw new Error(`Failed to execute child process "${path}" (No such file or directory)`);
  const child = spawn(path, (args['arg'] ?? []) as string[]);
  const run: Run = { out: [], err: [] };
  child.stdout.on('data', (chunk: Buffer) => run.out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => run.err.push(chunk));
  // A command may end before it reads.
  child.stdin.on('error', () => undefined);
  child.stdin.end(Buffer.from(String(args['input-data'] ?? ''), 'base64'));
  child.on('close', (code, signal) => {
    run.end = code === null ? { signal: signal === 'SIGKILL' ? 9 : 15 } : { exitcode: code };
  });
  const pid = child.pid ?? 0;
  runs.set(pid, run);
  return pid;
}

function status(pid: number, runs: Map<number, Run>): object {
  const run = runs.get(pid);
  if (run === undefined) throw new Error(`Invalid parameter 'pid'`);
  if (run.end === undefined) return { exited: false };
  // The real one tells an end once.
  runs.delete(pid);
  const out = Buffer.concat(run.out).toString('base64');
  const err = Buffer.concat(run.err).toString('base64');
  return {
    exited: true,
    ...run.end,
    ...(out === '' ? {} : { 'out-data': out }),
    ...(err === '' ? {} : { 'err-data': err }),
  };
}
