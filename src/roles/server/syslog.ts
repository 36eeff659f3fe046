/**
 * The audit as messages of syslog (RFC 5424): one datagram an entry, facility 13 (log audit),
 * informational, or a warning for what was refused. The message is the entry's line as it is
 * exported, so what a collector keeps can be checked against the chain.
 */
import { formatInstant } from '../../base/clock.ts';
import { LotcError } from '../../base/errors.ts';
import { formatAddress, parseAddressOf } from '../../net/address.ts';
import { auditFields } from '../../net/audit.ts';
import type { Shape } from '../../net/layout.ts';

export type SyslogTarget =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

const FACILITY = 13;
const WARNING = 4;
const INFORMATIONAL = 6;
/** RFC 5426. */
const PORT = 514;

/** `/dev/log`, or `udp:HOST[:PORT]`. */
export function parseSyslog(text: string): SyslogTarget {
  if (text.startsWith('/')) return { path: text };
  const [, address] = /^udp:(.+)$/.exec(text) ?? [];
  if (address === undefined) {
    throw new LotcError(
      'usage',
      `--audit-syslog: "${text}" is neither a path nor udp:HOST[:PORT]`,
      {
        hint: 'as in: /dev/log, udp:logs.example.net, udp:[fd00::5]:5514',
      },
    );
  }
  const { host, port } = parseAddressOf(address, PORT);
  return { host, port };
}

export const nameOfSyslog = (target: SyslogTarget): string =>
  'path' in target ? target.path : `udp:${formatAddress(target)}`;

export interface SyslogSource {
  readonly host: string;
  readonly pid: number;
}

export function syslogMessage(entry: Shape<'audit'>, { host, pid }: SyslogSource): string {
  const { hash, ...fields } = entry;
  const severity = entry.errorCode === undefined ? INFORMATIONAL : WARNING;
  const name = host.replaceAll(/[^!-~]/g, '').slice(0, 255) || '-';
  const head = `<${FACILITY * 8 + severity}>1 ${formatInstant(entry.at)} ${name} lotc ${pid} audit`;
  return `${head} - ${JSON.stringify({ ...auditFields(fields), hash })}`;
}
