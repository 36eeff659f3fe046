/**
 * Reads deterministic CBOR (RFC 8949, 4.2.1) and nothing else: heads in shortest form, definite
 * lengths, no tags, keys ascending and so never twice. Whatever a peer sends, it throws nothing
 * but `ProtocolError`, allocates no more than the bytes that are there justify, and bounds depth
 * and number of items. It knows nothing of messages: codec.ts says what to expect.
 */
import { ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

const UINT = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const SIMPLE = 7;

/** Longer texts are decoded by native code; the call costs as much as this many characters. */
const SHORT_TEXT = 32;
/** Shorter byte strings are copied, so that 16 bytes never keep a whole read of a socket alive. */
const COPIED_BYTES = 4096;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function malformed(why: string): ProtocolError {
  return new ProtocolError('bad-body', `the body is not deterministic CBOR: ${why}`);
}

export class CborReader {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;
  #items = 0;
  #value = 0;

  begin(bytes: Uint8Array): void {
    this.#bytes = bytes;
    this.#at = 0;
    this.#end = bytes.length;
    this.#items = 0;
  }

  /** To be called at the end: nothing may be left. Lets go of the bytes. */
  finish(): void {
    const left = this.#end - this.#at;
    this.release();
    if (left !== 0) throw malformed(`${left} bytes behind the end`);
  }

  /** What follows what was read. */
  rest(): Uint8Array {
    return this.#bytes.subarray(this.#at, this.#end);
  }

  release(): void {
    this.begin(empty);
  }

  map(): number {
    return this.#count(MAP, 2, 'a map');
  }

  list(): number {
    return this.#count(ARRAY, 1, 'a list');
  }

  uint(): number {
    if (this.#head() !== UINT) throw wrongType('an unsigned integer');
    return this.#safe();
  }

  int(): number {
    const major = this.#head();
    if (major === UINT) return this.#safe();
    if (major === NEGATIVE) return -1 - this.#safe();
    throw wrongType('an integer');
  }

  bool(): boolean {
    const initial = this.#byte();
    if (initial === 0xf4) return false;
    if (initial === 0xf5) return true;
    throw wrongType('true or false');
  }

  float(): number {
    const initial = this.#byte();
    if (initial < 0xf9 || initial > 0xfb) throw wrongType('a floating-point number');
    return this.#float(initial & 31);
  }

  bytes(): Uint8Array {
    if (this.#head() !== BYTES) throw wrongType('bytes');
    const count = this.#value;
    const start = this.#bytes.byteOffset + this.#advance(count);
    const view = new Uint8Array(this.#bytes.buffer, start, count);
    return count <= COPIED_BYTES ? new Uint8Array(view) : view;
  }

  text(): string {
    if (this.#head() !== TEXT) throw wrongType('text');
    const length = this.#value;
    if (length > limits.cborTextBytes) throw malformed(`a text of ${length} bytes`);
    const start = this.#advance(length);
    if (length < SHORT_TEXT) {
      let text = '';
      let ascii = true;
      for (let i = start; i < this.#at; i += 1) {
        const unit = this.#bytes[i] ?? 0;
        if (unit > 0x7f) {
          ascii = false;
          break;
        }
        text += String.fromCharCode(unit);
      }
      if (ascii) return text;
    }
    try {
      return utf8.decode(this.#bytes.subarray(start, this.#at));
    } catch {
      throw malformed('a text is not UTF-8');
    }
  }

  /** Passes over one value of any type, judging its form all the same. */
  skip(depth: number): void {
    if (depth > limits.cborDepth) throw malformed(`deeper than ${limits.cborDepth}`);
    const major = (this.#bytes[this.#at] ?? 0) >> 5;
    if (major === ARRAY) {
      for (let left = this.list(); left > 0; left -= 1) this.skip(depth + 1);
    } else if (major === MAP) {
      this.#skipMap(depth);
    } else if (major === TEXT) {
      this.text();
    } else if (major === BYTES) {
      this.#head();
      this.#advance(this.#value);
    } else if (major === SIMPLE) {
      const initial = this.#byte();
      if (initial > 0xf8) this.#float(initial & 31);
      else if (initial < 0xf4 || initial > 0xf6) throw malformed('an unknown simple value');
    } else if (this.#head() > NEGATIVE) {
      throw malformed('a tag');
    }
  }

  #skipMap(depth: number): void {
    let previous: Uint8Array | undefined;
    for (let left = this.map(); left > 0; left -= 1) {
      const start = this.#at;
      this.skip(depth + 1);
      const key = this.#bytes.subarray(start, this.#at);
      if (previous && Buffer.compare(previous, key) >= 0) throw malformed('keys out of order');
      previous = key;
      this.skip(depth + 1);
    }
  }

  /** Reads one head; its argument is left in #value (past 2^53 it is no exact number). */
  #head(): number {
    const initial = this.#byte();
    const short = initial & 31;
    if (short < 24) {
      this.#value = short;
      return initial >> 5;
    }
    if (short > 27) throw malformed('an indefinite or reserved length');
    const size = 1 << (short - 24);
    let value = 0;
    for (let left = size; left > 0; left -= 1) value = value * 256 + this.#byte();
    const least = size === 1 ? 24 : 2 ** (size * 4);
    if (value < least) throw malformed('a number is not in its shortest form');
    this.#value = value;
    return initial >> 5;
  }

  #safe(): number {
    if (this.#value > Number.MAX_SAFE_INTEGER) throw wrongType('an integer within 2^53');
    return this.#value;
  }

  /** A claim of many elements is judged by the bytes that are left before anything is made. */
  #count(major: number, bytesEach: number, what: string): number {
    if (this.#head() !== major) throw wrongType(what);
    const count = this.#value;
    if (count * bytesEach > this.#end - this.#at) throw malformed('more claimed than sent');
    this.#items += count;
    if (this.#items > limits.cborItems) throw malformed(`more than ${limits.cborItems} items`);
    return count;
  }

  #float(short: number): number {
    if (short > 27) throw malformed('a break or reserved value');
    const start = this.#advance(1 << (short - 24));
    const view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset + start);
    if (short === 25) return finite(view.getFloat16(0));
    const value = finite(short === 26 ? view.getFloat32(0) : view.getFloat64(0));
    const shorter = short === 26 ? Math.f16round(value) : Math.fround(value);
    if (shorter === value) throw malformed('a float is not in its shortest form');
    return value;
  }

  #byte(): number {
    const byte = this.#at < this.#end ? this.#bytes[this.#at] : undefined;
    if (byte === undefined) throw malformed('it ends too early');
    this.#at += 1;
    return byte;
  }

  #advance(count: number): number {
    const start = this.#at;
    if (count > this.#end - start) throw malformed('more claimed than sent');
    this.#at = start + count;
    return start;
  }
}

const empty = new Uint8Array(0);

function wrongType(wanted: string): ProtocolError {
  return new ProtocolError('bad-field', `not ${wanted}`);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new ProtocolError('bad-field', 'not a finite number');
  return value;
}
