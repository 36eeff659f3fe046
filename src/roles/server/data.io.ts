/**
 * The server's data directory: the fleet's CA, the server's own certificate, the first admin's
 * identity, and below `private` the journal and the blobs. What exists is kept; what is missing
 * is made, each file durably, so a start that was cut off half-way is finished by the next.
 */
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { LotcError } from '../../base/errors.ts';
import { formatAddress, parseAddress } from '../../net/address.ts';
import { issueKeyPair, type KeyPair, makeAuthority, reissue } from '../../net/certificate.io.ts';
import { spkiOf } from '../../net/token.ts';
import { writeFileDurably } from '../../store/durable.io.ts';
import { Vault } from './secrets.ts';

export interface ServerFiles {
  readonly authority: string;
  readonly authorityKey: string;
  readonly nextAuthority: string;
  readonly nextAuthorityKey: string;
  /** CAs of before, whose certificates clients still have. */
  readonly former: string;
  readonly certificate: string;
  readonly key: string;
  readonly admin: string;
  readonly fleet: string;
  readonly secretKey: string;
  readonly journal: string;
  readonly blobs: string;
  readonly hooks: string;
}

export function serverFiles(data: string): ServerFiles {
  return {
    authority: join(data, 'ca.pem'),
    authorityKey: join(data, 'ca.key'),
    nextAuthority: join(data, 'ca.next.pem'),
    nextAuthorityKey: join(data, 'ca.next.key'),
    former: join(data, 'ca.former.pem'),
    certificate: join(data, 'server.pem'),
    key: join(data, 'server.key'),
    admin: join(data, 'admin.json'),
    fleet: join(data, 'private/fleet'),
    secretKey: join(data, 'private/secrets.key'),
    journal: join(data, 'private/journal'),
    blobs: join(data, 'private/blobs'),
    hooks: join(data, 'private/hooks'),
  };
}

export interface AdminIdentity {
  readonly addresses: readonly string[];
  readonly fleet: string;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  readonly name: string;
  readonly role: 'admin';
}

export interface Credentials {
  readonly fleet: string;
  readonly authority: KeyPair;
  readonly server: KeyPair;
  readonly admin: AdminIdentity;
  /** SHA-256 of the admin's public key, as its record in the journal has it. */
  readonly adminSpki: string;
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new LotcError('io', `cannot read ${path}: ${(error as Error).message}`);
  }
}

const write = (path: string, text: string, mode: number): Promise<void> =>
  writeFileDurably(path, Buffer.from(text), mode);

/** `newFleet`: random, used where the directory has none yet. */
export async function openCredentials(data: string, newFleet: string): Promise<Credentials> {
  const files = serverFiles(data);
  let fleet = await read(files.fleet);
  if (fleet === undefined) {
    fleet = newFleet;
    await write(files.fleet, fleet, 0o600);
  }
  const authority = await keyPair(files.authority, files.authorityKey, () => makeAuthority(fleet));
  const server = await keyPair(files.certificate, files.key, () =>
    issueKeyPair(authority, { fleet, role: 'server', name: 'main', hosts: ownHosts() }),
  );
  const admin = await adminIdentity(files.admin, fleet, authority);
  const adminSpki = spkiOf(new X509Certificate(admin.certificate).publicKey);
  return { fleet, authority, server, admin, adminSpki };
}

/** The key that secrets of tasks are sealed with: made once, outside the journal. */
export async function openVault(data: string): Promise<Vault> {
  const { secretKey } = serverFiles(data);
  const known = await read(secretKey);
  const text = known ?? randomBytes(32).toString('hex');
  if (known === undefined) await write(secretKey, text, 0o600);
  const key = Buffer.from(text.trim(), 'hex');
  if (key.length !== 32) {
    throw new LotcError('damaged', `${secretKey} is damaged`, {
      hint: 'put back the file from a backup of the data directory',
    });
  }
  return new Vault(key);
}

/** The key is written last: a certificate without its key is made again. */
export async function keyPair(
  path: string,
  keyPath: string,
  make: () => Promise<KeyPair>,
): Promise<KeyPair> {
  const certificate = await read(path);
  const key = await read(keyPath);
  if (certificate !== undefined && key !== undefined) return { certificate, key };
  const made = await make();
  await write(path, made.certificate, 0o644);
  await write(keyPath, made.key, 0o600);
  return made;
}

async function adminIdentity(
  path: string,
  fleet: string,
  authority: KeyPair,
): Promise<AdminIdentity> {
  const text = await read(path);
  if (text !== undefined) {
    try {
      return JSON.parse(text) as AdminIdentity;
    } catch (cause) {
      throw new LotcError('damaged', `${path} is damaged: it is no JSON`, {
        hint: 'put back the file from a backup of the data directory',
        cause,
      });
    }
  }
  const { certificate, key } = await issueKeyPair(authority, {
    fleet,
    role: 'admin',
    name: 'admin',
  });
  const { certificate: ca } = authority;
  const identity: AdminIdentity = {
    ...{ addresses: [], fleet, authority: ca, certificate, key, name: 'admin', role: 'admin' },
  };
  await write(path, `${JSON.stringify(identity, null, 2)}\n`, 0o600);
  return identity;
}

/** Addresses a console on any machine may reach this server by, nearest first. */
export function reachableAddresses(listen: readonly string[]): string[] {
  const found = new Set<string>();
  for (const text of listen) {
    const { host, port } = parseAddress(text);
    if (host !== '::' && host !== '0.0.0.0' && host !== '') {
      found.add(formatAddress({ host, port }));
      continue;
    }
    for (const own of ownAddresses()) {
      if (host === '0.0.0.0' && own.includes(':')) continue;
      found.add(formatAddress({ host: own, port }));
    }
  }
  return [...found];
}

/** Loopback first; link-local addresses mean nothing on another machine. */
function ownAddresses(): string[] {
  const all = Object.values(interfaces()).flatMap((list) => list ?? []);
  const usable = all.filter(({ address }) => !address.startsWith('fe80:'));
  const sorted = [
    ...usable.filter((one) => one.internal),
    ...usable.filter((one) => !one.internal),
  ];
  const addresses = sorted.map(({ address }) => address);
  return addresses.length > 0 ? addresses : ['127.0.0.1'];
}

function interfaces(): ReturnType<typeof networkInterfaces> {
  try {
    return networkInterfaces();
  } catch (cause) {
    throw new LotcError('io', "this machine's addresses cannot be read", {
      cause,
      hint: 'the kernel tells them by netlink: under systemd, RestrictAddressFamilies= needs AF_NETLINK',
    });
  }
}

const ownHosts = (): string[] => [
  ...new Set([hostname().toLowerCase(), 'localhost', ...ownAddresses()]),
];

/** Once the server listens: its identity file and its certificate name where. */
export async function publishAddresses(
  data: string,
  credentials: Credentials,
  listen: readonly string[],
): Promise<Credentials> {
  const files = serverFiles(data);
  const addresses = reachableAddresses(listen);
  const admin: AdminIdentity = { ...credentials.admin, addresses };
  await write(files.admin, `${JSON.stringify(admin, null, 2)}\n`, 0o600);
  const { fleet, authority, server } = credentials;
  const hosts = [...new Set([...ownHosts(), ...addresses.map((text) => parseAddress(text).host)])];
  const known = new X509Certificate(server.certificate).subjectAltName ?? '';
  if (hosts.every((host) => knows(known, host))) return { ...credentials, admin };
  const subject = { fleet, role: 'server', name: 'main', hosts } as const;
  const certificate = await reissue(authority, subject, server.key);
  await write(files.certificate, certificate, 0o644);
  return { ...credentials, admin, server: { certificate, key: server.key } };
}

function knows(subjectAltName: string, host: string): boolean {
  if (!host.includes(':')) return subjectAltName.includes(`:${host}`);
  // OpenSSL prints IPv6 addresses in full and upper case; one spelled so is looked for.
  return subjectAltName.split(', ').some((name) => name === `IP Address:${full(host)}`);
}

function full(ipv6: string): string {
  const [head = '', tail] = (ipv6.split('%')[0] ?? '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...(tail === undefined ? [] : zeros), ...right].join(':').toUpperCase();
}
