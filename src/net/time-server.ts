/**
 * Time servers as operators name them: `HOST[:PORT]`, or `nts:HOST[:PORT]` for authentic time.
 * Pure text: whether the name means anything is found out later, by who asks the server, and is
 * no reason for a role not to start.
 */
import { LotcError } from '../base/errors.ts';
import { parseAddressOf } from './address.ts';

export interface NamedTimeServer {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly nts?: boolean;
}

const NTP_PORT = 123;
const NTS_PORT = 4460;
const NTS = 'nts:';
const SERVERS_MAX = 16;

/** The servers of `--ntp`, each once. */
export function parseTimeServers(names: readonly string[]): NamedTimeServer[] {
  const unique = [...new Set(names)];
  if (unique.length > SERVERS_MAX) {
    throw new LotcError('usage', `--ntp names ${unique.length} servers, more than ${SERVERS_MAX}`, {
      hint: 'four or five good ones are enough',
    });
  }
  return unique.map((name) => {
    const nts = name.startsWith(NTS);
    const { host, port } = parseAddressOf(
      nts ? name.slice(NTS.length) : name,
      nts ? NTS_PORT : NTP_PORT,
    );
    if (host === '' || port === 0) {
      throw new LotcError('usage', `--ntp "${name}" names no server`, {
        hint: 'write HOST[:PORT], or nts:HOST[:PORT]',
      });
    }
    return nts ? { name, host, port, nts } : { name, host, port };
  });
}
