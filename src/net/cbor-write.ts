/**
 * Writes deterministic CBOR (RFC 8949, 4.2.1) into one growing buffer: shortest heads, definite
 * lengths, no tags. It knows nothing of messages: codec.ts says what to write.
 *
 * Our own, because the registry tells every value's type beforehand: see bench/codec.ts for the
 * comparison with cborg, which stays the oracle of the tests.
 */
import { assert } from '../base/assert.ts';

const UINT = 0x00;
const NEGATIVE = 0x20;
const BYTES = 0x40;
const TEXT = 0x60;
const ARRAY = 0x80;
const MAP = 0xa0;

/** Longer texts are written by native code; the call costs as much as this many characters. */
const SHORT_TEXT = 48;
/** A buffer that one large body made grow is given back. */
const KEPT_BYTES = 256 * 1024;

export class CborWriter {
  at = 0;
  /** Elements of lists and pairs of maps so far. */
  items = 0;
  #bytes = Buffer.allocUnsafeSlow(16 * 1024);
  #view = new DataView(this.#bytes.buffer);

  /** Begins anew, leaving `room` bytes at the front for a header. */
  begin(room: number): void {
    if (this.#bytes.length > KEPT_BYTES) this.#replace(Buffer.allocUnsafeSlow(16 * 1024));
    this.at = room;
    this.items = 0;
  }

  /** A copy of what has been written. */
  finish(): Buffer<ArrayBuffer> {
    const out = Buffer.allocUnsafe(this.at);
    this.#bytes.copy(out, 0, 0, this.at);
    return out;
  }

  /** Begins a map whose number of pairs is told to `endMap`; returns its place. */
  beginMap(): number {
    this.#reserve(1);
    this.at += 1;
    return this.at;
  }

  endMap(place: number, pairs: number): void {
    this.items += pairs;
    if (pairs < 24) {
      this.#bytes[place - 1] = MAP | pairs;
      return;
    }
    assert(pairs < 256, 'a map of the registry has fewer than 256 keys');
    this.#reserve(1);
    this.#bytes.copyWithin(place + 1, place, this.at);
    this.at += 1;
    this.#bytes[place - 1] = MAP | 24;
    this.#bytes[place] = pairs;
  }

  map(pairs: number): void {
    this.items += pairs;
    this.#head(MAP, pairs);
  }

  list(count: number): void {
    this.items += count;
    this.#head(ARRAY, count);
  }

  uint(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, `not an unsigned integer: ${value}`);
    this.#head(UINT, value);
  }

  int(value: number): void {
    assert(Number.isSafeInteger(value), `not an integer: ${value}`);
    if (value >= 0) this.#head(UINT, value);
    else this.#head(NEGATIVE, -1 - value);
  }

  bool(value: boolean): void {
    this.#reserve(1);
    this.#bytes[this.at] = value ? 0xf5 : 0xf4;
    this.at += 1;
  }

  /** The shortest of half, single and double that holds the value exactly. */
  float(value: number): void {
    assert(Number.isFinite(value), `not a finite number: ${value}`);
    this.#reserve(9);
    const head = this.at;
    if (Math.f16round(value) === value) {
      this.#bytes[head] = 0xf9;
      this.#view.setFloat16(head + 1, value);
      this.at += 3;
    } else if (Math.fround(value) === value) {
      this.#bytes[head] = 0xfa;
      this.#view.setFloat32(head + 1, value);
      this.at += 5;
    } else {
      this.#bytes[head] = 0xfb;
      this.#view.setFloat64(head + 1, value);
      this.at += 9;
    }
  }

  /** The head of a byte string whose bytes the caller sends behind it. */
  bytesHead(length: number): void {
    this.#head(BYTES, length);
  }

  bytes(value: Uint8Array): void {
    this.#head(BYTES, value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.at);
    this.at += value.length;
  }

  text(value: string): void {
    if (value.length < SHORT_TEXT && this.#ascii(value)) return;
    const length = Buffer.byteLength(value);
    this.#head(TEXT, length);
    this.#reserve(length);
    this.#bytes.write(value, this.at, length, 'utf8');
    this.at += length;
  }

  #ascii(value: string): boolean {
    const length = value.length;
    const start = this.at;
    this.#head(TEXT, length);
    this.#reserve(length);
    const bytes = this.#bytes;
    let at = this.at;
    for (let i = 0; i < length; i += 1) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) {
        this.at = start;
        return false;
      }
      bytes[at] = unit;
      at += 1;
    }
    this.at = at;
    return true;
  }

  #head(major: number, value: number): void {
    this.#reserve(9);
    const at = this.at;
    const bytes = this.#bytes;
    if (value < 24) {
      bytes[at] = major | value;
      this.at = at + 1;
    } else if (value < 0x100) {
      bytes[at] = major | 24;
      bytes[at + 1] = value;
      this.at = at + 2;
    } else if (value < 0x1_0000) {
      bytes[at] = major | 25;
      this.#view.setUint16(at + 1, value);
      this.at = at + 3;
    } else if (value < 0x1_0000_0000) {
      bytes[at] = major | 26;
      this.#view.setUint32(at + 1, value);
      this.at = at + 5;
    } else {
      bytes[at] = major | 27;
      this.#view.setUint32(at + 1, Math.floor(value / 0x1_0000_0000));
      this.#view.setUint32(at + 5, value % 0x1_0000_0000);
      this.at = at + 9;
    }
  }

  #reserve(count: number): void {
    const need = this.at + count;
    if (need <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(need, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.at);
    this.#replace(grown);
  }

  #replace(bytes: Buffer<ArrayBuffer>): void {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }
}
