/**
 * An NTS server that does whatever a test wants: keys over TLS, sealed time over UDP on the same
 * port number and address. The oracle for how it is done rightly is chronyd, elsewhere.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import { fieldTypes, openPacket, sealPacket } from '../../src/scheduler/clock/nts-fields.ts';
import {
  EXPORTER_LABEL,
  encodeRecord,
  exporterContext,
} from '../../src/scheduler/clock/nts-records.ts';
import { writeStamp } from '../../src/scheduler/clock/packet.ts';

export type Mood =
  /** As it should be. */
  | 'honest'
  /** One bit of the time is turned on its way. */
  | 'altered'
  /** Says what it said to the first request again. */
  | 'replaying'
  /** Says that it knows no key. */
  | 'nak'
  /** Loses the keys it has, and is honest with new ones. */
  | 'forgetful'
  /** Answers as if there were no NTS. */
  | 'plain'
  /** Seals its replies and gives no new cookies. */
  | 'stingy'
  | 'silent';

export interface Certificate {
  readonly key: string;
  readonly certificate: string;
}

/** A certificate that is its own authority, made now or, by `faketime`, at another time. */
export function certify(directory: string, name: string, alt: string, when?: string): Certificate {
  const [key, certificate] = [join(directory, `${name}.key`), join(directory, `${name}.pem`)];
  const words = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt'];
  words.push('ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate);
  words.push('-days', '10', '-subj', `/CN=${name}`, '-addext', `subjectAltName=${alt}`);
  if (when !== undefined) words.unshift('faketime', '-f', when);
  const [program = '', ...rest] = words;
  execFileSync(program, rest, { stdio: 'ignore' });
  return { key, certificate };
}

export interface NtsServer extends AsyncDisposable {
  readonly port: number;
  /** How often keys were asked for, and time. */
  readonly keyed: number;
  readonly asked: number;
  become(mood: Mood): void;
}

interface Keys {
  readonly toServer: Uint8Array;
  readonly toClient: Uint8Array;
}

const nowUs = (): number => (performance.timeOrigin + performance.now()) * 1000;
const COOKIE_BYTES = 100;

export async function serveNts(
  { key, certificate }: Certificate,
  { offsetUs = 0, aead = 15, alpn = 'ntske/1' } = {},
): Promise<NtsServer> {
  const jar = new Map<string, Keys>();
  const udp = createSocket('udp4');
  const sockets = new Set<TLSSocket>();
  const counts = { keyed: 0, asked: 0 };
  let mood: Mood = 'honest';
  let first: Uint8Array | undefined;
  const bake = (keys: Keys): Uint8Array => {
    const cookie = randomBytes(COOKIE_BYTES);
    jar.set(cookie.toString('hex'), keys);
    return cookie;
  };
  const tls = createServer({
    ...{ key: readFileSync(key), cert: readFileSync(certificate) },
    ...{ minVersion: 'TLSv1.3', ALPNProtocols: [alpn] },
  });
  tls.on('tlsClientError', () => undefined);
  tls.on('secureConnection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      counts.keyed += 1;
      const word = (value: number): Uint8Array => Uint8Array.from([value >> 8, value & 255]);
      const keys = { toServer: exported(socket, 'client'), toClient: exported(socket, 'server') };
      socket.write(encodeRecord(1, word(0), true));
      socket.write(encodeRecord(4, word(aead), true));
      socket.write(encodeRecord(7, word(udp.address().port), false));
      for (let n = 0; n < 8; n += 1) socket.write(encodeRecord(5, bake(keys), false));
      socket.end(encodeRecord(0, new Uint8Array(0), true));
    });
  });
  udp.on('message', (request, from) => {
    counts.asked += 1;
    const bytes = mood === 'silent' ? undefined : answer(request, mood);
    if (mood === 'replaying' && first) send(first, from);
    else if (bytes) send(bytes, from);
    first ??= bytes;
  });
  const send = (bytes: Uint8Array, { port, address }: RemoteInfo): void =>
    udp.send(bytes, port, address);
  const answer = (request: Uint8Array, now: Mood): Uint8Array | undefined => {
    const header = time(request, offsetUs);
    if (now === 'plain') return header;
    const fields = openPacket(new Uint8Array(32), request)?.fields ?? [];
    const identifier = fields.find(({ type }) => type === fieldTypes.identifier);
    const cookie = fields.find(({ type }) => type === fieldTypes.cookie);
    const hex = Buffer.from(cookie?.body ?? []).toString('hex');
    const keys = jar.get(hex);
    if (!identifier) return undefined;
    if (now === 'nak' || !keys) return nak(header, identifier.body);
    jar.delete(hex);
    if (!openPacket(keys.toServer, request)?.hidden) return nak(header, identifier.body);
    const room = fields.filter(({ type }) => type === fieldTypes.placeholder).length + 1;
    const body = (): Uint8Array => bake(keys);
    const fresh = Array.from({ length: now === 'stingy' ? 0 : room }, body);
    const hidden = fresh.map((one) => ({ type: fieldTypes.cookie, body: one }));
    const nonce = randomBytes(16);
    const reply = sealPacket(keys.toClient, { header, fields: [identifier], hidden, nonce });
    if (now === 'altered') reply[35] = (reply[35] ?? 0) ^ 1;
    return reply;
  };
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  const { port } = tls.address() as { port: number };
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  return {
    port,
    get keyed() {
      return counts.keyed;
    },
    get asked() {
      return counts.asked;
    },
    become(next) {
      mood = next;
      if (mood === 'forgetful') jar.clear();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => udp.close(() => resolve()));
      await new Promise<void>((resolve) => tls.close(() => resolve()));
    },
  };
}

function exported(socket: TLSSocket, sender: 'client' | 'server'): Uint8Array {
  return socket.exportKeyingMaterial(32, EXPORTER_LABEL, Buffer.from(exporterContext(sender)));
}

function time(request: Uint8Array, offsetUs: number): Uint8Array {
  const header = new Uint8Array(48);
  const view = new DataView(header.buffer);
  header[0] = 0x24;
  header[1] = 1;
  view.setInt8(3, -20);
  header.set(request.subarray(40, 48), 24);
  writeStamp(view, 32, nowUs() + offsetUs);
  writeStamp(view, 40, nowUs() + offsetUs);
  return header;
}

function nak(header: Uint8Array, identifier: Uint8Array): Uint8Array {
  const bytes = header.slice();
  bytes[1] = 0;
  bytes.set(Buffer.from('NTSN'), 12);
  return Buffer.concat([bytes, Uint8Array.from([1, 4, 0, 36]), identifier]);
}
