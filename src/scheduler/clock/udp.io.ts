/**
 * A UDP socket to one time server, and the two instants that matter: when a request left and when
 * its reply came, by the base clock. Where node:ffi is there the packet leaves by send(2) right
 * after the clock was read, and the reply's instant is the kernel's (SIOCGSTAMPNS): a process that
 * was busy then is not blamed on the path. A few datagrams to nobody go before it: a way out that
 * is cold takes 20 µs more than the way back, and half of that is a wrong offset (measured).
 * Without FFI both instants are this thread's, which only widens what an exchange proves. The port
 * is the kernel's random choice; strangers' packets are dropped by the kernel, because the socket
 * is connected.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { BaseClock } from '../base-clock.io.ts';

export interface Place {
  readonly address: string;
  readonly family: 4 | 6;
  readonly port: number;
}

export interface UdpHandlers {
  onReply(bytes: Uint8Array, cameUs: number): void;
  /** The network says that nobody is there. */
  onError(reason: string): void;
}

export interface UdpCalls {
  open(family: 4 | 6): number;
  send(fd: number, bytes: Uint8Array): boolean;
  /** Sends the like to nobody: what a request needs is then in the caches, and leaves sooner. */
  warm(bytes: Uint8Array): void;
  /** The kernel's stamp of the last packet read: µs since 1970 by the system clock. */
  stampUs(fd: number): number | undefined;
}

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SIOCGSTAMPNS = 0x8907;
/** struct sockaddr_in. */
const SOCKADDR_BYTES = 16;
const WARM = 3;
/** A stamp older than that is not of the packet just read. */
const STAMP_OLD_US = 1e6;

interface SinkCalls {
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  getsockname(fd: number, address: Buffer, length: Buffer): number;
  connect(fd: number, address: Buffer, length: number): number;
}

/** undefined: a Node without FFI, or a machine whose variadic calls differ (ioctl). */
export async function openUdpCalls(): Promise<UdpCalls | undefined> {
  if (process.arch !== 'x64' && process.arch !== 'arm64') return undefined;
  try {
    const { dlopen } = await import('node:ffi');
    const { functions } = dlopen(null, {
      socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
      send: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
      bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
      connect: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
      getsockname: { arguments: ['i32', 'buffer', 'buffer'], return: 'i32' },
      recv: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
      ioctl: { arguments: ['i32', 'u64', 'buffer'], return: 'i32' },
    });
    const timespec = Buffer.alloc(16);
    const sink = openSink(functions);
    return {
      open(family) {
        const type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
        const fd = functions.socket(family === 4 ? AF_INET : AF_INET6, type, 0);
        // The first call says that there is no stamp yet, and has the kernel keep them.
        if (fd >= 0) functions.ioctl(fd, BigInt(SIOCGSTAMPNS), timespec);
        return fd;
      },
      send(fd, bytes) {
        const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
        const count = BigInt(bytes.length);
        return functions.send(fd, Buffer.from(bytes), count, flags) === count;
      },
      warm(bytes) {
        if (sink < 0) return;
        const [buffer, count] = [Buffer.from(bytes), BigInt(bytes.length)];
        for (let n = 0; n < WARM; n += 1) {
          functions.send(sink, buffer, count, MSG_DONTWAIT | MSG_NOSIGNAL);
          functions.recv(sink, buffer, count, MSG_DONTWAIT);
        }
      },
      stampUs(fd) {
        if (functions.ioctl(fd, BigInt(SIOCGSTAMPNS), timespec) !== 0) return undefined;
        const seconds = Number(timespec.readBigInt64LE(0));
        return seconds * 1e6 + Number(timespec.readBigInt64LE(8)) / 1e3;
      },
    };
  } catch {
    return undefined;
  }
}

/** A socket of this machine's loopback that is its own peer; below zero: there is none. */
function openSink(calls: SinkCalls): number {
  const fd = calls.socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const address = Buffer.alloc(SOCKADDR_BYTES);
  address.writeUInt16LE(AF_INET, 0);
  address.set([127, 0, 0, 1], 4);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(SOCKADDR_BYTES, 0);
  const done =
    fd >= 0 &&
    calls.bind(fd, address, SOCKADDR_BYTES) === 0 &&
    calls.getsockname(fd, address, length) === 0 &&
    calls.connect(fd, address, SOCKADDR_BYTES) === 0;
  return done ? fd : -1;
}

export class UdpSocket {
  readonly #base: BaseClock;
  readonly #calls: UdpCalls | undefined;
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #ready: Promise<void>;
  #closed = false;

  constructor(base: BaseClock, calls: UdpCalls | undefined, place: Place, handlers: UdpHandlers) {
    this.#base = base;
    this.#socket = createSocket({ type: place.family === 4 ? 'udp4' : 'udp6', ipv6Only: true });
    this.#fd = calls?.open(place.family) ?? -1;
    this.#calls = this.#fd < 0 ? undefined : calls;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ready = promise;
    this.#socket.on('message', (bytes) => handlers.onReply(bytes, this.#cameUs()));
    this.#socket.on('error', (error) => {
      resolve();
      if (!this.#closed) handlers.onError(error.message);
    });
    const connect = (): void => this.#socket.connect(place.port, place.address);
    this.#socket.once('connect', resolve);
    if (this.#calls) this.#socket.bind({ fd: this.#fd }, connect);
    else connect();
  }

  /** Sends, and says when by the base clock; undefined where it did not leave. */
  async send(bytes: Uint8Array): Promise<number | undefined> {
    await this.#ready;
    if (this.#closed) return undefined;
    if (this.#calls) {
      this.#calls.warm(bytes);
      const sentUs = this.#base.baseUs();
      return this.#calls.send(this.#fd, bytes) ? sentUs : undefined;
    }
    const sentUs = this.#base.baseUs();
    this.#socket.send(bytes);
    return sentUs;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }

  #cameUs(): number {
    const wallUs = this.#base.wallUs();
    const nowUs = this.#base.baseUs();
    const stampUs = this.#calls?.stampUs(this.#fd);
    if (stampUs === undefined) return nowUs;
    const agoUs = wallUs - stampUs;
    return agoUs >= 0 && agoUs <= STAMP_OLD_US ? nowUs - agoUs : nowUs;
  }
}
