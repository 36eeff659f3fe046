/**
 * `login` in the world. The same two connections as an agent's enrolment: one that trusts nothing
 * and only reads the CA the token names, one with the token's key to a server of that CA. The
 * answer may be lost: the same key asks again and is told the same.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { hostname, userInfo } from 'node:os';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { build } from '../../base/build.ts';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { formatAddress, parseAddress } from '../../net/address.ts';
import { makeRequest, selfSigned } from '../../net/certificate.io.ts';
import { dial, probeAuthority } from '../../net/dial.io.ts';
import type { Ok } from '../../net/layout.ts';
import { Link } from '../../net/link.io.ts';
import { parseToken, tokenKey } from '../../net/token.ts';
import { writeFileDurably } from '../../store/durable.io.ts';
import type { ConnectSettings } from './client.ts';
import type { LoginRequest, MadeIdentity } from './context.ts';
import { identityPath } from './identity.io.ts';
import { defaultIdentityName, type Identity } from './identity.ts';

const ATTEMPTS = 3;
const AGAIN_MS = 500;

type Env = Readonly<Record<string, string | undefined>>;

export async function readToken(path: string): Promise<string> {
  try {
    return (path === '-' ? await text(process.stdin) : await readFile(path, 'utf8')).trim();
  } catch (cause) {
    const why = (cause as Error).message;
    throw new LotcError('usage', `cannot read the token: ${why}`, { cause });
  }
}

export async function login(
  settings: ConnectSettings,
  request: LoginRequest,
  env: Env,
): Promise<MadeIdentity> {
  const path = identityPath(settings.identity, env);
  if (existsSync(path) && !request.force) {
    throw new LotcError('exists', `${path} holds an identity already`, {
      hint: 'name another file with --identity, or put the new one in its place with --force',
    });
  }
  const token = parseToken(request.token);
  const passphrase = await passphraseOf(request);
  const { servers, keylog, timeoutMs } = settings;
  const authority = await probeAuthority(servers, token.pin, { keylog, timeoutMs });
  const shown = await selfSigned(tokenKey(token));
  const identity = request.name ?? defaultIdentityName(userInfo().username, hostname());
  const { key, csr } = await makeRequest(identity);
  const named = request.name === undefined ? { node: identity } : { identity };
  const credentials = { authority, certificate: shown.certificate, key: shown.key };
  const granted = await again(async () => {
    const { socket } = await dial({ servers, keylog, timeoutMs, credentials });
    await using link = new Link({ socket, side: 'opener' });
    const late = setTimeout(() => void link.close('no answer in time'), limits.handshakeMs);
    const instance = randomBytes(8).toString('hex');
    const asked = { csr, instance, build: build.version, role: 'console', ...named };
    try {
      return await link.enrol(asked);
    } finally {
      clearTimeout(late);
    }
  });
  const made: Identity = {
    addresses: servers.map((one) => formatAddress(parseAddress(one))),
    ...identityOf(granted, { authority, key: await locked(key, passphrase), name: identity }),
  };
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFileDurably(path, Buffer.from(`${JSON.stringify(made, null, 2)}\n`), 0o600);
  return { name: made.name, role: made.role, path };
}

/** Asked for before anything is sent: a token has one use. */
async function passphraseOf({ passphraseFile, passphrase }: LoginRequest) {
  if (passphraseFile === undefined && passphrase !== true) return undefined;
  const { newPassphrase, readPassphrase } = await import('./passphrase.io.ts');
  const text = passphraseFile === undefined ? newPassphrase() : readPassphrase(passphraseFile);
  if (text === '') throw new LotcError('usage', 'an empty passphrase protects nothing');
  return text;
}

async function locked(key: string, passphrase: string | undefined): Promise<string> {
  if (passphrase === undefined) return key;
  return (await import('./passphrase.io.ts')).lock(key, passphrase);
}

function identityOf(
  { certificate, fleet, identity, role = '' }: Ok<'hostAdd'>,
  own: { readonly authority: string; readonly key: string; readonly name: string },
): Omit<Identity, 'addresses'> {
  const { authority, key, name } = own;
  return { fleet, authority, certificate, key, name: identity ?? name, role };
}

async function again<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = ATTEMPTS - 1; ; left -= 1) {
    try {
      return await attempt();
    } catch (error) {
      const lost = error instanceof LotcError && error.code === 'unresponsive';
      if (!lost || left === 0) throw error;
      await new Promise((resolve) => void setTimeout(resolve, AGAIN_MS));
    }
  }
}
