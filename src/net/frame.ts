/**
 * Frames: a 20-byte header and a body. Cuts a byte stream into frames, whatever pieces it comes
 * in, and refuses before anything is allocated. Knows the header only, never a body's meaning.
 *
 * Bytes stay in the chunks they came in; a frame that lies within one chunk is a view of it, and
 * only a frame that spans chunks is gathered, once. PROTOCOL, "Header".
 */
import { ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { crc32 } from './crc32.ts';

export const MAGIC = 0x4c4f5443;
export const VERSION = 2;
/** Critical: another frame of the same answer or transfer follows. */
export const FLAG_MORE = 0x0100;
/** Ignorable: the sender knows that this is a repeat. */
export const FLAG_AGAIN = 0x0001;
const UNKNOWN_CRITICAL = 0xff00 & ~FLAG_MORE;
const LENGTH_AT = 8;
const CHECKSUM_AT = 16;

/** Chunks at most this long are gathered in blocks: a peer may send byte by byte. */
const SMALL_CHUNK = 1024;
const BLOCK = 8 * 1024;

export interface Frame {
  readonly code: number;
  readonly flags: number;
  readonly id: number;
  readonly body: Uint8Array;
}

/** Writes the header in front of a body that begins at byte 20 of `frame` and ends with `tail`. */
export function sealFrame(
  frame: Buffer,
  { code, flags, id }: { code: number; flags: number; id: number },
  tail: Uint8Array = none,
): void {
  frame.writeUInt32BE(MAGIC, 0);
  frame[4] = VERSION;
  frame[5] = code;
  frame.writeUInt16BE(flags, 6);
  frame.writeUInt32BE(frame.length - limits.headerBytes + tail.length, LENGTH_AT);
  frame.writeUInt32BE(id, 12);
  const checksum = checksumOf(frame);
  frame.writeUInt32BE(tail.length > 0 ? crc32(tail, checksum) : checksum, CHECKSUM_AT);
}

const none = new Uint8Array(0);

/** A copy of a frame with more flags. */
export function reseal(frame: Uint8Array, moreFlags: number): Uint8Array {
  const copy = Buffer.from(frame);
  const flags = copy.readUInt16BE(6) | moreFlags;
  sealFrame(copy, { code: copy[5] ?? 0, flags, id: copy.readUInt32BE(12) });
  return copy;
}

/** CRC-32 (zlib) of bytes 0..15 and the body. */
export function checksumOf(frame: Uint8Array): number {
  return crc32(frame.subarray(limits.headerBytes), crc32(frame.subarray(0, CHECKSUM_AT)));
}

/** Bytes in arrival order. */
export class ByteQueue {
  length = 0;
  #chunks: Uint8Array[] = [];
  /** A block of ours at the end of the queue, and how much of it is used. */
  #block: Uint8Array | undefined;
  #used = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.length += chunk.length;
    if (chunk.length > SMALL_CHUNK || this.#chunks.length === 0) {
      this.#chunks.push(chunk);
      this.#block = undefined;
      return;
    }
    if (!this.#block || this.#used + chunk.length > this.#block.length) {
      this.#block = new Uint8Array(BLOCK);
      this.#used = 0;
      this.#chunks.push(this.#block.subarray(0, 0));
    }
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
    const last = this.#chunks.length - 1;
    const start = this.#used - chunk.length - (this.#chunks[last]?.length ?? 0);
    this.#chunks[last] = this.#block.subarray(start, this.#used);
  }

  /** The first `count` bytes, left in the queue. They must be there. */
  peek(count: number): Uint8Array {
    const first = this.#chunks[0];
    if (first && first.length >= count) return first.subarray(0, count);
    const out = new Uint8Array(count);
    let at = 0;
    for (const chunk of this.#chunks) {
      if (at === count) break;
      const part = chunk.subarray(0, count - at);
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  take(count: number): Uint8Array {
    const out = this.peek(count);
    this.length -= count;
    let left = count;
    let gone = 0;
    for (const chunk of this.#chunks) {
      if (chunk.length > left) break;
      left -= chunk.length;
      gone += 1;
    }
    if (gone > 0) this.#chunks.splice(0, gone);
    if (left > 0) this.#chunks[0] = (this.#chunks[0] as Uint8Array).subarray(left);
    if (this.length === 0) this.clear();
    return out;
  }

  clear(): void {
    this.length = 0;
    this.#chunks = [];
    this.#block = undefined;
  }
}

export class FrameReader {
  /** Raised once the peer's HELLO is accepted. */
  bodyBytesMax: number = limits.bodyBytesBeforeHello;
  readonly #queue = new ByteQueue();
  /** Bytes the next frame takes, once its header has been judged. */
  #want = 0;

  push(chunk: Uint8Array): void {
    this.#queue.push(chunk);
  }

  /** The next whole frame; undefined until it is there. Throws `ProtocolError`. */
  next(): Frame | undefined {
    if (this.#want === 0) {
      if (this.#queue.length < limits.headerBytes) return undefined;
      this.#want = limits.headerBytes + this.#judge(this.#queue.peek(limits.headerBytes));
    }
    if (this.#queue.length < this.#want) return undefined;
    const bytes = this.#queue.take(this.#want);
    this.#want = 0;
    if (checksumOf(bytes) !== u32(bytes, CHECKSUM_AT)) {
      throw new ProtocolError('bad-checksum', 'the checksum does not match');
    }
    return {
      code: bytes[5] ?? 0,
      flags: u16(bytes, 6),
      id: u32(bytes, 12),
      body: bytes.subarray(limits.headerBytes),
    };
  }

  clear(): void {
    this.#queue.clear();
    this.#want = 0;
  }

  /** Refuses a header before its body is awaited; returns the body's length. */
  #judge(header: Uint8Array): number {
    if (u32(header, 0) !== MAGIC) {
      throw new ProtocolError('bad-magic', 'this is not LOTC: a frame begins with "LOTC"');
    }
    if (header[4] !== VERSION) {
      const text = `the peer speaks version ${header[4]} of the protocol, this side ${VERSION}`;
      throw new ProtocolError('bad-version', text);
    }
    const unknown = u16(header, 6) & UNKNOWN_CRITICAL;
    if (unknown !== 0) {
      throw new ProtocolError('bad-flags', `unknown critical flags 0x${unknown.toString(16)}`);
    }
    const length = u32(header, LENGTH_AT);
    if (length > this.bodyBytesMax) {
      const text = `a body of ${length} bytes; at most ${this.bodyBytesMax} are taken here`;
      throw new ProtocolError('body-too-large', text);
    }
    return length;
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function u32(bytes: Uint8Array, at: number): number {
  return u16(bytes, at) * 0x1_0000 + u16(bytes, at + 2);
}
