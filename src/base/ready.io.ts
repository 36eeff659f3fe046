/**
 * Saying that a role is ready: the log line `"event":"ready"`, the same object in `--ready-file`
 * (atomically), and `READY=1` to whoever set NOTIFY_SOCKET (sd_notify(3)).
 */
import { renameSync, writeFileSync } from 'node:fs';
import { openDatagram } from './datagram.io.ts';
import { LotcError } from './errors.ts';
import type { Log } from './log.io.ts';

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

/** sd_notify(3): nothing where NOTIFY_SOCKET is not set; a failure is a warning, never an end. */
export async function notify(text: string, log: Log): Promise<void> {
  const path = process.env['NOTIFY_SOCKET'];
  if (path === undefined || path === '') return;
  const send = await openDatagram(path);
  if (!send) {
    log('warn', 'NOTIFY_SOCKET is not a path or abstract name of at most 107 bytes', { path });
    return;
  }
  if (!send(text)) log('warn', 'could not tell NOTIFY_SOCKET', { path });
}
