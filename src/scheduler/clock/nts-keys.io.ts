/**
 * NTS key establishment (RFC 8915 section 4): one TLS 1.3 connection to the server, whose
 * certificate has to be good by this machine's CAs and for the name it was asked by; keys come
 * from TLS itself, cookies and perhaps another place for NTP from the answer.
 *
 * The CAs are the system's (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as with OpenSSL), or
 * those that Node brings where the system has none. A certificate is judged by the system clock,
 * which may be wrong: then keys are refused and the reason says so; and where it is wrong but
 * within, the time that the server says is held against the certificate again (`isValidAt`).
 */
import { isIP } from 'node:net';
import { connect, getCACertificates, rootCertificates, type TLSSocket } from 'node:tls';
import type { NtsKeys } from './nts.ts';
import {
  ANSWER_BYTES_MAX,
  EXPORTER_LABEL,
  encodeAsking,
  exporterContext,
  type Granted,
  readAnswer,
} from './nts-records.ts';
import type { TimeServer } from './rows.ts';
import { SIV_KEY_BYTES } from './siv.ts';

export interface Establishment {
  readonly keys: NtsKeys;
  /** Who answers NTP. */
  readonly host: string;
  readonly port: number | undefined;
}

const ALPN = 'ntske/1';
const WITHIN_MS = 10_000;
/** Nobody was there: no load on anybody, so it may be tried again soon. */
const AWAY = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN'];

export class NoKeys extends Error {
  /** Nobody was asked. */
  readonly isAway: boolean;

  constructor(reason: string, isAway = false) {
    super(reason);
    this.isAway = isAway;
  }
}

let authorities: readonly string[] | undefined;

function systemAuthorities(): readonly string[] {
  const system = getCACertificates('system');
  return system.length > 0 ? system : rootCertificates;
}

export async function establish({ host, port }: TimeServer): Promise<Establishment> {
  authorities ??= systemAuthorities();
  const { promise, resolve, reject } = Promise.withResolvers<Establishment>();
  const bare = host.split('%')[0] ?? host;
  const socket = connect({
    ...{ host, port, ca: [...authorities], minVersion: 'TLSv1.3', ALPNProtocols: [ALPN] },
    ...(isIP(bare) === 0 ? { servername: host } : {}),
  });
  const timer = setTimeout(() => reject(new NoKeys('gives no keys within 10 s')), WITHIN_MS);
  const parts: Buffer[] = [];
  socket.once('error', (error) => reject(refusal(error)));
  socket.once('close', () => reject(new NoKeys('closed before it gave keys')));
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol === ALPN) socket.write(encodeAsking());
    else reject(new NoKeys('does not speak NTS there'));
  });
  socket.on('data', (bytes: Buffer) => {
    parts.push(bytes);
    const all = Buffer.concat(parts);
    const answer = readAnswer(all);
    if (answer?.is === 'granted') resolve(established(socket, answer));
    else if (answer) reject(new NoKeys(answer.reason));
    else if (all.length > ANSWER_BYTES_MAX) reject(new NoKeys('answers nonsense for keys'));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

function established(socket: TLSSocket, { cookies, host, port }: Granted): Establishment {
  const keyFor = (sender: 'client' | 'server'): Uint8Array =>
    socket.exportKeyingMaterial(
      ...([SIV_KEY_BYTES, EXPORTER_LABEL, Buffer.from(exporterContext(sender))] as const),
    );
  const { valid_from: from, valid_to: until } = socket.getPeerCertificate();
  const keys = {
    ...{ toServer: keyFor('client'), toClient: keyFor('server'), cookies },
    ...{ fromUs: Date.parse(from) * 1000, untilUs: Date.parse(until) * 1000 },
  };
  return { keys, host: host ?? socket.remoteAddress ?? '', port };
}

function refusal(error: Error & { code?: string }): NoKeys {
  const { code = '', message } = error;
  if (code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED') {
    const when = code === 'CERT_HAS_EXPIRED' ? 'no longer' : 'not yet';
    return new NoKeys(`has a certificate that is ${when} valid by this machine’s clock`);
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return new NoKeys(`does not resolve (${code})`, true);
  }
  const text = message.split('\n')[0] ?? '';
  const reason = code !== '' && !text.includes(code) ? `${text} (${code})` : text;
  return new NoKeys(`gives no keys (NTS): ${reason}`, AWAY.includes(code));
}
