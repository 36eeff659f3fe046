/**
 * Saying that a role is ready: the log line `"event":"ready"`, the same object in `--ready-file`
 * (atomically), and `READY=1` to whoever set NOTIFY_SOCKET (sd_notify(3)).
 *
 * Node has no datagram sockets in the UNIX domain, so the few system calls go through `node:ffi`,
 * which is loaded only where NOTIFY_SOCKET is set. libc is opened as the program's own (`null`),
 * so whatever is preloaded in front of it is in front of these calls too.
 */
import { renameSync, writeFileSync } from 'node:fs';
import { LotcError } from './errors.ts';
import type { Log } from './log.io.ts';
import { socketAddress } from './socket-address.ts';

export interface ReadyOptions {
  readonly log: Log;
  readonly file?: string | undefined;
  readonly facts: Readonly<Record<string, unknown>>;
}

export async function announceReady({ log, file, facts }: ReadyOptions): Promise<void> {
  const event = { event: 'ready', ...facts };
  if (file !== undefined) {
    try {
      writeFileSync(`${file}.new`, `${JSON.stringify(event)}\n`, { mode: 0o644 });
      renameSync(`${file}.new`, file);
    } catch (cause) {
      throw new LotcError('io', `cannot write the ready file ${file}: ${(cause as Error).message}`);
    }
  }
  log('info', 'ready', event);
  await notify('READY=1', log);
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 2 | 0o2000000;

/** sd_notify(3): nothing where NOTIFY_SOCKET is not set; a failure is a warning, never an end. */
export async function notify(text: string, log: Log): Promise<void> {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return;
  const address = socketAddress(path);
  if (!address) {
    log('warn', 'NOTIFY_SOCKET is not a path or abstract name of at most 107 bytes', { path });
    return;
  }
  const { dlopen } = await import('node:ffi');
  const { functions } = dlopen(null, {
    socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
    sendto: { arguments: ['i32', 'buffer', 'u64', 'i32', 'buffer', 'u32'], return: 'i64' },
    close: { arguments: ['i32'], return: 'i32' },
  });
  const fd = functions['socket']?.(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0);
  const data = Buffer.from(text);
  const sent = functions['sendto']?.(fd, data, BigInt(data.length), 0, address, address.length);
  functions['close']?.(fd);
  if (Number(sent) !== data.length) log('warn', 'could not tell NOTIFY_SOCKET', { path });
}
