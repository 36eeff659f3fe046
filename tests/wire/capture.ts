/**
 * Captures made byte by byte: Ethernet, IPv4 or IPv6, TCP, in a pcap file with nanoseconds. What
 * a real network does to a stream (loss, order, repeats, a snap length) can be said here exactly,
 * and needs no rights. Checksums are left at 0, which Wireshark does not verify unless told.
 */
import { writeFileSync } from 'node:fs';

export interface Sent {
  /** The segment never reaches the capture; what follows stands where it would have. */
  readonly lost?: boolean;
  /** The same segment a second time. */
  readonly twice?: boolean;
  /** Bytes of payload in one segment at most. */
  readonly mss?: number;
}

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const ETHERNET = 1;
const SYN = 0x02;
const ACK = 0x10;
const PSH_ACK = 0x18;

export type Side = 'client' | 'server';

function ethernet(type: number, packet: Buffer): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt8(2, 0);
  head.writeUInt8(2, 6);
  head.writeUInt16BE(type, 12);
  return Buffer.concat([head, packet]);
}

function ipv4(from: number, to: number, protocol: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(20);
  head.writeUInt8(0x45, 0);
  head.writeUInt16BE(20 + payload.length, 2);
  head.writeUInt8(64, 8);
  head.writeUInt8(protocol, 9);
  head.writeUInt32BE(0xc0_00_02_00 + from, 12);
  head.writeUInt32BE(0xc0_00_02_00 + to, 16);
  return ethernet(0x0800, Buffer.concat([head, payload]));
}

function ipv6(from: number, to: number, protocol: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(40);
  head.writeUInt8(0x60, 0);
  head.writeUInt16BE(payload.length, 4);
  head.writeUInt8(protocol, 6);
  head.writeUInt8(64, 7);
  for (const [at, host] of [
    [8, from],
    [24, to],
  ] as const) {
    head.writeUInt32BE(0x2001_0db8, at);
    head.writeUInt32BE(host, at + 12);
  }
  return ethernet(0x86dd, Buffer.concat([head, payload]));
}

export interface StreamOptions {
  readonly family?: 'ipv4' | 'ipv6';
  readonly clientPort?: number;
  readonly serverPort?: number;
  /** The capture begins in the middle: no handshake. */
  readonly midway?: boolean;
}

/** One TCP connection of a capture. */
export class Stream {
  readonly #capture: Capture;
  readonly #options: Required<StreamOptions>;
  readonly #next: Record<Side, number> = { client: 1_000, server: 5_000 };

  constructor(capture: Capture, options: StreamOptions) {
    this.#capture = capture;
    const ports = { clientPort: 50_001, serverPort: 7_416 };
    this.#options = { family: 'ipv4', midway: false, ...ports, ...options };
    if (this.#options.midway) return;
    this.#segment('client', SYN, Buffer.alloc(0));
    this.#next.client += 1;
    this.#segment('server', SYN | ACK, Buffer.alloc(0));
    this.#next.server += 1;
    this.#segment('client', ACK, Buffer.alloc(0));
  }

  send(side: Side, bytes: Uint8Array, { mss = 60_000, lost, twice }: Sent = {}): this {
    for (let at = 0; at < bytes.length; at += mss) {
      const part = Buffer.from(bytes.subarray(at, at + mss));
      if (lost !== true) this.#segment(side, PSH_ACK, part);
      if (twice === true) this.#segment(side, PSH_ACK, part);
      this.#next[side] += part.length;
    }
    return this;
  }

  #segment(side: Side, flags: number, payload: Buffer): void {
    const { family, clientPort, serverPort } = this.#options;
    const other = side === 'client' ? 'server' : 'client';
    const ports = side === 'client' ? [clientPort, serverPort] : [serverPort, clientPort];
    const head = Buffer.alloc(20);
    head.writeUInt16BE(ports[0] ?? 0, 0);
    head.writeUInt16BE(ports[1] ?? 0, 2);
    head.writeUInt32BE(this.#next[side] >>> 0, 4);
    head.writeUInt32BE(flags === SYN ? 0 : this.#next[other] >>> 0, 8);
    head.writeUInt8(0x50, 12);
    head.writeUInt8(flags, 13);
    head.writeUInt16BE(65_535, 14);
    const [from, to] = side === 'client' ? [1, 2] : [2, 1];
    const packet = family === 'ipv6' ? ipv6 : ipv4;
    this.#capture.add(packet(from ?? 0, to ?? 0, 6, Buffer.concat([head, payload])));
  }
}

export class Capture {
  /** When the next packet is captured, µs since 1970. */
  nowUs = 1_795_478_400_000_000;
  /** How far apart packets are that nobody says anything about. */
  stepUs = 100;
  readonly #snapLength: number;
  readonly #parts: Buffer[] = [];

  constructor(snapLength = 262_144) {
    this.#snapLength = snapLength;
  }

  get packets(): number {
    return this.#parts.length / 2;
  }

  stream(options: StreamOptions = {}): Stream {
    return new Stream(this, options);
  }

  /** A UDP packet. */
  datagram(port: number, payload: Uint8Array): void {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(50_002, 0);
    head.writeUInt16BE(port, 2);
    head.writeUInt16BE(8 + payload.length, 4);
    this.add(ipv4(1, 2, 17, Buffer.concat([head, payload])));
  }

  add(packet: Buffer): void {
    const head = Buffer.alloc(16);
    const kept = packet.subarray(0, this.#snapLength);
    head.writeUInt32LE(Math.floor(this.nowUs / 1e6), 0);
    head.writeUInt32LE((this.nowUs % 1e6) * 1_000, 4);
    head.writeUInt32LE(kept.length, 8);
    head.writeUInt32LE(packet.length, 12);
    this.#parts.push(head, kept);
    this.nowUs += this.stepUs;
  }

  write(file: string): void {
    const head = Buffer.alloc(24);
    head.writeUInt32LE(MAGIC_NANOSECONDS, 0);
    head.writeUInt16LE(2, 4);
    head.writeUInt16LE(4, 6);
    head.writeUInt32LE(this.#snapLength, 16);
    head.writeUInt32LE(ETHERNET, 20);
    writeFileSync(file, Buffer.concat([head, ...this.#parts]));
  }
}
