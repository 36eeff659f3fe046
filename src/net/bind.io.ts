/**
 * Addresses to listening TCP sockets: names looked up, port 0 the same for all families where that
 * is possible, IPv4 alone where IPv6 is off, and errors that say what is in the way. Knows nothing
 * of what the connections are for.
 */
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { type Address, formatAddress, isIpv4, isIpv6, parseAddress } from './address.ts';

export interface Bound {
  readonly servers: readonly Server[];
  readonly addresses: readonly string[];
}

/** All or none: when one address cannot be had, the others are let go. */
export async function bindAll(
  texts: readonly string[],
  onConnection: (socket: Socket) => void,
): Promise<Bound> {
  const wanted = texts.length === 0 ? [{ host: '', port: limits.port }] : texts.map(parseAddress);
  const literals = (await Promise.all(wanted.map(literalsOf))).flat();
  const servers: Server[] = [];
  const addresses: string[] = [];
  try {
    for (const address of unique(literals)) {
      const server = await bindOne(address, literals, addresses, onConnection);
      servers.push(server);
      addresses.push(addressOf(server));
    }
  } catch (error) {
    await closeAll(servers);
    throw error;
  }
  return { servers, addresses };
}

export async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map((server) => new Promise<void>((resolve) => void server.close(() => resolve()))),
  );
}

async function literalsOf({ host, port }: Address): Promise<readonly Address[]> {
  if (host === '' || isIpv4(host) || isIpv6(host)) return [{ host, port }];
  try {
    const { lookup } = await import('node:dns/promises');
    const found = await lookup(host, { all: true, order: 'verbatim' });
    return found.map(({ address }) => ({ host: address, port }));
  } catch (error) {
    throw new LotcError(
      'io',
      `cannot listen on ${formatAddress({ host, port })}: no such host name`,
      {
        hint: 'give an address of this machine, or a name that stands for one',
        cause: error,
      },
    );
  }
}

function unique(addresses: readonly Address[]): readonly Address[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

/** `bound`: addresses that are open already; port 0 tries the port of the first. */
async function bindOne(
  { host, port }: Address,
  all: readonly Address[],
  bound: readonly string[],
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  if (host === '') return bindEverywhere(port, onConnection);
  // Beside a 0.0.0.0 of its own, [::] must leave IPv4 alone.
  const ipv6Only = host === '::' && all.some((other) => other.host === '0.0.0.0');
  const [first] = bound;
  if (port === 0 && first !== undefined) {
    try {
      return await open({ host, port: parseAddress(first).port, ipv6Only }, onConnection);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE')
        throw explained(error, { host, port });
    }
  }
  try {
    return await open({ host, port, ipv6Only }, onConnection);
  } catch (error) {
    throw explained(error, { host, port });
  }
}

/** One dual-stack socket; where the kernel has no IPv6, one of IPv4. */
async function bindEverywhere(
  port: number,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  try {
    return await open({ host: '::', port, ipv6Only: false }, onConnection);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (!['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'].includes(code)) {
      throw explained(error, { host: '::', port });
    }
  }
  try {
    return await open({ host: '0.0.0.0', port }, onConnection);
  } catch (error) {
    throw explained(error, { host: '0.0.0.0', port });
  }
}

function open(options: ListenOptions, onConnection: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true, pauseOnConnect: false }, onConnection);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ ...options, backlog: 1_024 }, () => {
      server.removeListener('error', reject);
      resolve(server);
    });
  });
}

function addressOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('a TCP server has an address');
  return formatAddress({ host: bound.address, port: bound.port });
}

const explanations: Readonly<Record<string, readonly [reason: string, hint: string]>> = {
  EADDRINUSE: [
    'address in use',
    'another program, maybe another server, listens there; see: ss -ltnp',
  ],
  EACCES: ['not permitted', 'ports below 1024 need root; take another port'],
  EADDRNOTAVAIL: ['this machine does not have that address', 'see: ip address'],
  EAFNOSUPPORT: [
    'this machine has no addresses of that family',
    'listen on IPv4, or switch IPv6 on',
  ],
  EINVAL: ['not usable here', 'a link-local address needs its interface: [fe80::1%eth0]:port'],
};

function explained(error: unknown, address: Address): LotcError {
  const { code = '', message } = error as NodeJS.ErrnoException;
  const [reason, hint] = explanations[code] ?? [message, undefined];
  return new LotcError('io', `cannot listen on ${formatAddress(address)}: ${reason}`, {
    hint,
    cause: error,
  });
}
