/**
 * Time servers as operators name them: `HOST[:PORT]`. Pure text: whether the name means anything is
 * found out later, by who asks the server, and is no reason for a role not to start.
 */
import { LotcError } from '../base/errors.ts';
import { parseAddressOf } from './address.ts';

export interface NamedTimeServer {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

const NTP_PORT = 123;
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
    if (name.startsWith('nts:')) {
      throw new LotcError('usage', `--ntp "${name}": NTS is not part of this build`, {
        hint: 'name the server without nts: to ask it in the clear',
      });
    }
    const { host, port } = parseAddressOf(name, NTP_PORT);
    if (host === '' || port === 0) {
      throw new LotcError('usage', `--ntp "${name}" names no server`, {
        hint: 'write HOST[:PORT]',
      });
    }
    return { name, host, port };
  });
}
