/**
 * Where a named time server is to be asked: the addresses of its name. With NTS the name is that
 * of who gives keys, and they come with who answers NTP.
 */
import { lookup } from 'node:dns/promises';
import { BlockList } from 'node:net';
import { NtsAssociation } from './nts.ts';
import { establish, NoKeys } from './nts-keys.io.ts';
import { ownServers, type PollLimits, publicServers } from './poll.ts';
import type { TimeServer } from './rows.ts';
import type { Place } from './udp.io.ts';

export interface Found {
  readonly places: readonly Place[];
  readonly nts: NtsAssociation | undefined;
  /** How often one may ask there. */
  readonly limits: PollLimits;
}

export interface NotFound {
  readonly reason: string;
  /** Somebody was there and gave no keys: to be spared. */
  readonly sparing: boolean;
}

const NTP_PORT = 123;

export async function find(server: TimeServer): Promise<Found | NotFound> {
  try {
    if (!server.nts) return { ...(await resolve(server.host, server.port)), nts: undefined };
    const { keys, host, port } = await establish(server);
    return { ...(await resolve(host, port ?? NTP_PORT)), nts: new NtsAssociation(keys) };
  } catch (error) {
    if (error instanceof NoKeys) return { reason: error.message, sparing: !error.isAway };
    const { code = 'no address' } = error as { code?: string };
    return { reason: `does not resolve (${code})`, sparing: false };
  }
}

async function resolve(host: string, port: number): Promise<Omit<Found, 'nts'>> {
  const found = await lookup(host, { all: true, order: 'verbatim' });
  const places = found.map(({ address, family }) => {
    return { address, family: family === 6 ? 6 : 4, port } as const;
  });
  return { places, limits: places.every(isOwn) ? ownServers : publicServers };
}

/** Private and link-local networks, and this machine: whose servers one may ask often. */
const own = new BlockList();
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['127.0.0.0', 8],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
] as const) {
  own.addSubnet(network, prefix, 'ipv4');
}
own.addSubnet('fc00::', 7, 'ipv6');
own.addSubnet('fe80::', 10, 'ipv6');
own.addAddress('::1', 'ipv6');

function isOwn({ address, family }: Place): boolean {
  const [bare = ''] = address.split('%');
  return own.check(bare, family === 6 ? 'ipv6' : 'ipv4');
}
