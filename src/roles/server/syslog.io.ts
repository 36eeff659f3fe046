/**
 * Sends the audit to syslog as it is journaled. Nobody waits for it, and nothing is sent again: a
 * datagram may be lost, which the chain shows; `events --audit --export` has all of it.
 */
import { createSocket } from 'node:dgram';
import { hostname } from 'node:os';
import { openDatagram } from '../../base/datagram.io.ts';
import { LotcError } from '../../base/errors.ts';
import type { Log } from '../../base/log.io.ts';
import { isIpv6 } from '../../net/address.ts';
import type { ServerCore } from './core.ts';
import { nameOfSyslog, type SyslogTarget, syslogMessage } from './syslog.ts';

/** A collector that is away is told of once in such a time. */
const TOLD_EVERY_MS = 60_000;

interface Sender {
  send(text: string): void;
  close(): void;
}

/** Returns how to stop. */
export async function openSyslog(
  target: SyslogTarget,
  { core, log }: { readonly core: ServerCore; readonly log: Log },
): Promise<() => void> {
  let toldMs = Number.NEGATIVE_INFINITY;
  const failed = (reason: string): void => {
    if (performance.now() - toldMs < TOLD_EVERY_MS) return;
    toldMs = performance.now();
    log('warn', 'the audit does not reach syslog', { to: nameOfSyslog(target), reason });
  };
  const sender = 'path' in target ? await local(target.path, failed) : udp(target, failed);
  const source = { host: hostname(), pid: process.pid };
  core.controller.onChange(({ audit }) => {
    if (audit) sender.send(syslogMessage(audit, source));
  });
  return () => sender.close();
}

async function local(path: string, failed: (reason: string) => void): Promise<Sender> {
  const send = await openDatagram(path);
  if (!send) {
    throw new LotcError('usage', `--audit-syslog: ${path} is no path of at most 107 bytes`);
  }
  return {
    send: (text) => {
      if (!send(text)) failed('nobody takes it there');
    },
    close: () => undefined,
  };
}

function udp(
  { host, port }: { readonly host: string; readonly port: number },
  failed: (reason: string) => void,
): Sender {
  const socket = createSocket(isIpv6(host) ? 'udp6' : 'udp4');
  socket.on('error', (error) => failed(error.message));
  socket.unref();
  return {
    send: (text) =>
      socket.send(text, port, host, (error) => {
        if (error) failed(error.message);
      }),
    close: () => socket.close(),
  };
}
