/**
 * The door of the server: TCP listeners, the TLS 1.3 handshake, and what strangers may cost until
 * somebody has proven a key. Knows no frames and no identities: whoever has a client certificate
 * is handed to the caller with the hash of its key, before a byte is read; the records decide.
 *
 * Three things here are not what Node does by itself. A handshake that takes too long is destroyed
 * by a timer of ours: Node's `handshakeTimeout` only tells. No session is ever resumed: a resumed
 * one skips the client's certificate. The last file descriptors are not given to strangers: libuv
 * sheds connections when there are none left, but then the journal could open no file either.
 */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { limits } from '../base/limits.ts';
import { formatAddress, isLoopback, parseAddress, unmapped } from './address.ts';
import { Admission } from './admission.ts';
import { bindAll, closeAll } from './bind.io.ts';
import { ALPN, logKeys, notLoopback } from './dial.io.ts';
import { contextOf, type ListenCredentials } from './listen-context.ts';
import { reasonOf } from './race.io.ts';
import { Tally } from './tally.ts';
import { spkiOf } from './token.ts';

export type ListenLog = (
  level: 'info' | 'warn',
  text: string,
  facts?: Record<string, unknown>,
) => void;

/** Somebody at the door who holds the key of `spki`; nothing has been read yet. */
export interface Caller {
  readonly socket: TLSSocket | Socket;
  /** Hex SHA-256 of the public key; undefined on a plaintext listener only. */
  readonly spki: string | undefined;
  /** Its certificate is one of the fleet's CA. */
  readonly authorized: boolean;
  readonly plaintext: boolean;
  /** `[fd00::7]:51234`. */
  readonly address: string;
  /** It is known who this is: it costs strangers' budgets nothing any more. */
  settled(): void;
  /** Its key is nobody's; after a handful its address is refused for a while. */
  badKey(): void;
}

export interface ListenOptions {
  /** None: every address of this machine, on the default port. */
  readonly listen: readonly string[];
  readonly credentials: ListenCredentials;
  /** No TLS at all; loopback only. */
  readonly plaintext?: boolean | undefined;
  readonly keylog?: string | undefined;
  readonly handshakeMs?: number | undefined;
  readonly log: ListenLog;
  readonly tally?: Tally | undefined;
  readonly onSocket: (caller: Caller) => void;
}

export interface Listener {
  /** What is open, with the ports that were picked. */
  readonly addresses: string[];
  /** For handshakes from now on. */
  renew(credentials: ListenCredentials): void;
  /** Takes no more connections, ends those nobody has taken over; the others are the caller's. */
  close(): Promise<void>;
}

export async function listen(options: ListenOptions): Promise<Listener> {
  if (options.plaintext === true) {
    const open = options.listen.find((text) => !isLoopback(parseAddress(text).host));
    if (open !== undefined || options.listen.length === 0) throw notLoopback(open ?? '[::]');
  }
  const door = new Door(options);
  const { servers, addresses } = await bindAll(options.listen, (socket) => door.arrived(socket));
  for (const server of servers) server.on('error', (error) => door.broken(error));
  return {
    addresses: [...addresses],
    renew: (credentials) => door.renew(credentials),
    close: async () => {
      const closed = closeAll(servers);
      door.close();
      await closed;
    },
  };
}

/** A socket between its arrival and its end. */
interface Guest {
  readonly raw: Socket;
  readonly ends: string;
  readonly host: string;
  readonly port: number;
  was: 'stranger' | 'session';
  gone: boolean;
  timer: NodeJS.Timeout | undefined;
}

class Door {
  readonly #options: ListenOptions;
  readonly #tally: Tally;
  readonly #admission: Admission;
  /** Never listens itself: it makes TLS of sockets that were let in. */
  readonly #tls: Server;
  /** Let in, and not yet the caller's; oldest first. */
  readonly #waiting = new Map<string, Guest>();
  readonly #descriptorsMax = descriptorLimit() - limits.descriptorsReserved;
  #brokenToldMs = Number.NEGATIVE_INFINITY;

  constructor(options: ListenOptions) {
    this.#options = options;
    this.#tally = options.tally ?? new Tally();
    this.#admission = new Admission(this.#tally);
    const tls = createServer({
      ...contextOf(options.credentials),
      ALPNProtocols: [ALPN],
      requestCert: true,
      rejectUnauthorized: false,
    });
    tls.on('secureConnection', (socket) => this.#secure(socket));
    tls.on('tlsClientError', (error, socket) => {
      const guest = this.#guestOf(socket);
      // Who only wanted to see the CA's key goes away in the middle: that has not failed.
      if (!isLeft(error)) this.#tally.add('handshakeFailed');
      if (guest) this.#tell(guest.host, reasonOf(error));
      socket.destroy();
    });
    if (options.keylog !== undefined) logKeys(tls, options.keylog);
    this.#tls = tls;
  }

  renew(credentials: ListenCredentials): void {
    this.#tls.setSecureContext(contextOf(credentials));
  }

  close(): void {
    for (const { raw } of this.#waiting.values()) raw.destroy();
  }

  broken(error: Error): void {
    const nowMs = performance.now();
    if (nowMs - this.#brokenToldMs < 1_000) return;
    this.#brokenToldMs = nowMs;
    this.#options.log('warn', `a connection could not be accepted: ${reasonOf(error)}`);
  }

  arrived(raw: Socket): void {
    raw.on('error', () => undefined);
    const { remoteAddress, remotePort = 0 } = raw;
    const host = unmapped(remoteAddress ?? '');
    if (!this.#spares(descriptorOf(raw))) {
      this.#tally.add('descriptorsReserved');
      raw.resetAndDestroy();
      return;
    }
    if (host === '' || !this.#admit(host)) {
      if (host !== '') this.#tell(host, 'too many connections that are not signed in');
      raw.resetAndDestroy();
      return;
    }
    const guest: Guest = {
      raw,
      ends: endsOf(raw),
      host,
      port: remotePort,
      was: 'stranger',
      gone: false,
      timer: undefined,
    };
    this.#waiting.set(guest.ends, guest);
    raw.once('close', () => this.#left(guest));
    if (this.#options.plaintext === true) {
      this.#hand(guest, raw, undefined, false);
      return;
    }
    const handshakeMs = this.#options.handshakeMs ?? limits.handshakeMs;
    guest.timer = setTimeout(() => {
      this.#tally.add('handshakeMs');
      this.#tell(guest.host, `no handshake within ${handshakeMs / 1_000} s`);
      raw.destroy();
    }, handshakeMs);
    this.#tls.emit('connection', raw);
  }

  /**
   * A number above the line is held by one socket while lower ones become free unseen, so the
   * farther above, the more have to leave.
   */
  #spares(descriptor: number): boolean {
    const above = descriptor - this.#descriptorsMax + 1;
    if (above <= 0) return true;
    this.broken(new Error('too many open files; raise the limit (LimitNOFILE=, ulimit -n)'));
    let left = 0;
    while (left < above && this.#makeRoom()) left += 1;
    return left > 0;
  }

  #admit(host: string): boolean {
    const first = this.#admission.admit(host, performance.now());
    if (first !== 'full') return first === 'ok';
    return this.#makeRoom() && this.#admission.admit(host, performance.now()) === 'ok';
  }

  /** Where strangers fill the house, the one that has been silent longest leaves. */
  #makeRoom(): boolean {
    const silent = [...this.#waiting.values()].find(({ raw }) => raw.bytesRead === 0);
    if (!silent) return false;
    this.#tell(silent.host, 'silent, and others are waiting');
    this.#left(silent);
    silent.raw.destroy();
    return true;
  }

  #secure(socket: TLSSocket): void {
    const guest = this.#guestOf(socket);
    socket.on('error', () => undefined);
    if (!guest) {
      socket.destroy();
      return;
    }
    const certificate = socket.getPeerX509Certificate();
    if (socket.alpnProtocol !== ALPN || !certificate || socket.isSessionReused()) {
      // A console that reads the pin of a CA has no certificate: that is no fault worth a line.
      if (certificate) this.#tell(guest.host, `it does not speak ${ALPN}`);
      socket.destroy();
      return;
    }
    this.#hand(guest, socket, spkiOf(certificate.publicKey), socket.authorized);
  }

  #hand(
    guest: Guest,
    socket: TLSSocket | Socket,
    spki: string | undefined,
    authorized: boolean,
  ): void {
    clearTimeout(guest.timer);
    this.#waiting.delete(guest.ends);
    this.#options.onSocket({
      socket,
      spki,
      authorized,
      plaintext: spki === undefined,
      address: formatAddress(guest),
      settled: () => {
        if (guest.was === 'session' || guest.gone) return;
        guest.was = 'session';
        this.#admission.settled(guest.host);
      },
      badKey: () => this.#admission.badKey(guest.host, performance.now()),
    });
  }

  #guestOf(socket: Socket): Guest | undefined {
    return this.#waiting.get(endsOf(socket));
  }

  #left(guest: Guest): void {
    if (guest.gone) return;
    guest.gone = true;
    clearTimeout(guest.timer);
    this.#waiting.delete(guest.ends);
    this.#admission.closed(guest.host, guest.was);
  }

  #tell(host: string, reason: string): void {
    if (!this.#admission.mayTell(host, performance.now())) return;
    this.#options.log('warn', `refused a connection from ${host}: ${reason}`, { address: host });
  }
}

const isLeft = (error: NodeJS.ErrnoException): boolean => error.code === 'ECONNRESET';

/** Both ends of a connection: by this a TLS socket finds the TCP socket it was made of. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return `${localAddress}|${localPort}|${remoteAddress}|${remotePort}`;
}

/** Soft limit of open files (getrlimit(2)); Node has no call for it. */
function descriptorLimit(): number {
  try {
    const text = readFileSync('/proc/self/limits', 'utf8');
    const [, soft = ''] = /^Max open files\s+(\d+)/mu.exec(text) ?? [];
    return soft === '' ? Number.POSITIVE_INFINITY : Number(soft);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The kernel gives the lowest free number, so a high one says that all below it are taken. */
function descriptorOf(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { fd?: number } | null };
  return handle?.fd ?? 0;
}
