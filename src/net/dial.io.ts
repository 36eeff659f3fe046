/**
 * Reaching the server: a TLS 1.3 connection to the first of its addresses that answers, whose
 * certificate the fleet's own CA signed for a server. Knows no frames; a socket that comes out of
 * here has been judged by this side only: in TLS 1.3 the server judges the client after the client
 * believes itself connected, so "connected" is the server's WELCOME (RFC 8446 section 4.4.2.4).
 *
 * Host names are no identity here: the certificate's URI is, so addresses may change freely.
 */
import type { X509Certificate } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { assert } from '../base/assert.ts';
import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { isLoopback, parseAddress } from './address.ts';
import { type Attempt, race, type Target } from './race.io.ts';
import { spkiOf } from './token.ts';

/** The application protocol inside TLS (RFC 7301); another header would be another number. */
export const ALPN = 'lotc/2';

export interface DialCredentials {
  /** The fleet's CA, PEM; nobody else's word counts. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
  /** Undefined before the fleet's name is known: any server of that CA. */
  readonly fleet?: string | undefined;
}

export interface DialOptions {
  readonly servers: readonly string[];
  readonly credentials?: DialCredentials | undefined;
  /** No TLS; loopback only. */
  readonly plaintext?: boolean | undefined;
  /** A file that gets the secrets of the session, for Wireshark. */
  readonly keylog?: string | undefined;
  /** For all addresses together. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Dialled {
  readonly socket: TLSSocket | Socket;
  /** The one that answered. */
  readonly address: string;
}

export async function dial(options: DialOptions): Promise<Dialled> {
  const { servers, signal, timeoutMs = limits.connectMs } = options;
  const attempt = options.plaintext === true ? plainAttempt(servers) : tlsAttempt(options);
  const { value, address } = await race<TLSSocket | Socket>(
    { servers, timeoutMs, signal },
    attempt,
  );
  return { socket: value, address };
}

function plainAttempt(servers: readonly string[]): Attempt<Socket> {
  for (const text of servers) {
    const { host } = parseAddress(text);
    if (host !== '' && !isLoopback(host)) throw notLoopback(text);
  }
  return ({ address: { host, port } }, signal) => {
    if (!isLoopback(host)) throw notLoopback(host);
    return settle(connectTcp({ host, port, noDelay: true }), 'connect', signal);
  };
}

export function notLoopback(text: string): LotcError {
  return new LotcError('usage', `--plaintext is for loopback addresses only, and ${text} is none`, {
    hint: 'leave out --plaintext; without it the connection is encrypted',
  });
}

function tlsAttempt({ credentials, keylog }: DialOptions): Attempt<TLSSocket> {
  assert(credentials !== undefined, 'dialling with TLS needs credentials');
  const { authority, certificate, key, fleet } = credentials;
  return async (target, signal) => {
    const socket = connectTls({
      ...common(target),
      ca: authority,
      cert: certificate,
      key,
      checkServerIdentity: (_, { subjectaltname = '' }) => checkIdentity(subjectaltname, fleet),
    });
    if (keylog !== undefined) logKeys(socket, keylog);
    await settle(socket, 'secureConnect', signal);
    if (socket.alpnProtocol === ALPN) return socket;
    socket.destroy();
    throw new Error(`it does not speak ${ALPN}`);
  };
}

function common({ address: { host, port }, name }: Target): ConnectionOptions {
  return {
    host,
    port,
    ...(name === undefined ? {} : { servername: name.replace(/\.$/u, '') }),
    minVersion: 'TLSv1.3',
    ALPNProtocols: [ALPN],
    // Types of a TLS connection leave out the option of the TCP connection below it.
    ...{ noDelay: true },
  };
}

/** Undefined where the certificate is a server's, of that fleet. */
function checkIdentity(names: string, fleet: string | undefined): Error | undefined {
  const ours =
    fleet === undefined || fleet === ''
      ? (uri: string): boolean => /^lotc:\/\/[^/]+\/server\//u.test(uri)
      : (uri: string): boolean => uri.startsWith(`lotc://${fleet}/server/`);
  const uris = names.split(', ').map((name) => name.replace(/^URI:/u, ''));
  if (uris.some(ours)) return undefined;
  return new Error(`its certificate is not that of a server of this fleet (${names})`);
}

/** Lines in the NSS format; synchronous, so that they are there before what they decrypt. */
export function logKeys(
  source: { on(event: 'keylog', listener: (line: Buffer) => void): unknown },
  file: string,
): void {
  source.on('keylog', (line) => appendFileSync(file, line, { mode: 0o600 }));
}

/** The socket once it is connected; destroyed in every other case. */
function settle<T extends Socket>(
  socket: T,
  event: 'connect' | 'secureConnect',
  signal: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => void socket.destroy();
    const closed = (): void => {
      signal.removeEventListener('abort', abort);
      reject(new Error('connection closed by the other side'));
    };
    // Stays for good: an error is always followed by 'close', which is what users of it watch.
    socket.on('error', (error) => reject(judged(socket, error)));
    socket.once('close', closed);
    socket.once(event, () => {
      signal.removeEventListener('abort', abort);
      socket.removeListener('close', closed);
      resolve(socket);
    });
    signal.addEventListener('abort', abort, { once: true });
  });
}

/** The server's certificate failed, as opposed to the network. */
function judged(socket: Socket, error: Error): Error {
  const { authorizationError } = socket as Partial<TLSSocket>;
  if (authorizationError === undefined || authorizationError === null) return error;
  return wrongServer(`this is another server: ${error.message}`, error);
}

function wrongServer(text: string, cause?: Error): LotcError {
  return new LotcError('wrong-server', text, {
    hint: 'check the address, and use an identity or a token of the fleet that runs there',
    cause,
  });
}

export interface ProbeOptions {
  readonly timeoutMs?: number | undefined;
  readonly keylog?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The CA of the first server whose chain holds the pinned key. Nothing is sent and nothing but the
 * hash is trusted: the connection is only good for reading the certificates, and is closed.
 */
export async function probeAuthority(
  servers: readonly string[],
  pin: Uint8Array,
  { timeoutMs = limits.connectMs, keylog, signal }: ProbeOptions = {},
): Promise<string> {
  const wanted = Buffer.from(pin).toString('hex');
  const { value } = await race({ servers, timeoutMs, signal }, async (target, stop) => {
    const connection = connectTls({ ...common(target), rejectUnauthorized: false });
    if (keylog !== undefined) logKeys(connection, keylog);
    const socket = await settle(connection, 'secureConnect', stop);
    const authority = pinned(socket, wanted);
    socket.destroy();
    if (authority === undefined)
      throw wrongServer(
        'its CA is not the one the token names: another fleet, or its CA was rotated since',
      );
    return { authority, destroy: () => undefined };
  });
  return value.authority;
}

function pinned(socket: TLSSocket, wanted: string): string | undefined {
  let certificate: X509Certificate | undefined = socket.getPeerX509Certificate();
  for (let depth = 0; certificate && depth < 4; depth += 1) {
    if (spkiOf(certificate.publicKey) === wanted && certificate.ca) return certificate.toString();
    certificate = certificate.issuerCertificate;
  }
  return undefined;
}
