// How a run of ssh(1) ended: by its exit code, and where that is 255, which is ssh's own and any command's, by its log. Pure.

/** `why` is in ssh's own words, which may quote the guest's. */
export type SshEnd =
  /** The command ended with this code; 128 and its number for a signal */
  | { readonly type: 'ended'; readonly code: number }
  /** The shell that waited for the command was ended by a signal, so that nobody knows the command's end */
  | { readonly type: 'lost' }
  /** There was no connection: it may still be booting */
  | { readonly type: 'unreached'; readonly why: string }
  /** The guest answered and does not let us in, or is another one: waiting helps nothing */
  | { readonly type: 'refused'; readonly why: string }
  /** The connection broke while the command ran */
  | { readonly type: 'broke'; readonly why: string };

/** Lines of the log at LogLevel=DEBUG1 that tell what goes on, not what is wrong (ssh(1), OpenSSH 7 to 10). */
const chatter =
  /^(?:debug\d: |Authenticated to |Transferred: |Bytes per second: |OpenSSH_|Warning: Permanently added )/;
const ended = /^debug1: client_input_channel_req: channel \d+ rtype exit-(status|signal) /m;
const connected = /^debug1: (?:Connection established|Remote protocol version )/m;
const authenticated = /^(?:debug1: Authentication succeeded|Authenticated to )/m;
const closedDoor = /Permission denied|Host key verification failed|no matching host key|IDENTIFICATION HAS CHANGED/i;

/** Reads an end out of the exit code of ssh and its log. */
export function readSshEnd(code: number, log: string): SshEnd {
  if (code !== 255) return { type: 'ended', code };
  const how = ended.exec(log)?.[1];
  if (how !== undefined) return how === 'status' ? { type: 'ended', code } : { type: 'lost' };
  const why = lastWords(log);
  if (authenticated.test(log)) return { type: 'broke', why };
  return { type: closedDoor.test(log) ? 'refused' : 'unreached', why };
}

/** Whether ssh talks to somebody, so that waiting for it is no waiting for a boot. */
export function isConnected(log: string): boolean {
  return connected.test(log);
}

function lastWords(log: string): string {
  const words = log
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '' && !chatter.test(line));
  return words.at(-1)?.slice(0, 300) ?? 'ssh ended without a word';
}
