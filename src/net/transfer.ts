/**
 * The two ends of a transfer: content in chunks, bounded by credit, both pure. Credit is an
 * absolute offset: the sender may send bytes below it and none beyond. The receiver raises it as
 * its consumer drains, so what lies in sockets and queues never exceeds one window.
 * PROTOCOL, "Transfers".
 */
import { assert } from '../base/assert.ts';
import { ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Chunk } from './session-events.ts';

/** Sends bytes `offset` to `sizeBytes`; they are offered as they come, and leave as they may. */
export class OutboundTransfer {
  readonly #sizeBytes: number;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #offset: number;
  #credit: number;
  #done = false;

  constructor(options: { offset: number; sizeBytes: number; credit: number }) {
    assert(options.offset <= options.sizeBytes, 'a transfer begins within its content');
    this.#offset = options.offset;
    this.#sizeBytes = options.sizeBytes;
    this.#credit = options.credit;
  }

  /** Everything has been pulled, the last chunk too. */
  get done(): boolean {
    return this.#done;
  }

  /** How many bytes more are worth offering now: enough for what credit allows, never more. */
  get roomBytes(): number {
    const end = Math.min(this.#sizeBytes, this.#credit);
    return Math.max(0, end - this.#offset - this.#waitingBytes);
  }

  /** Where the next byte to be offered stands in the content. */
  get nextOffset(): number {
    return this.#offset + this.#waitingBytes;
  }

  /** Offered, and not pulled yet. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  raise(credit: number): void {
    if (credit > this.#credit) this.#credit = credit;
  }

  offer(data: Uint8Array): void {
    assert(this.nextOffset + data.length <= this.#sizeBytes, 'more content than was announced');
    if (data.length === 0) return;
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
  }

  /** Copies what waits: nothing that was offered is looked at any more. */
  keepRest(): void {
    if (this.#waitingBytes === 0) return;
    const rest = this.#gather(this.#waitingBytes);
    this.#waiting.push(Uint8Array.from(rest));
    this.#waitingBytes = rest.length;
  }

  /** The next chunk that credit allows; empty content has one empty chunk. */
  pull(): Chunk | undefined {
    if (this.#done) return undefined;
    const offset = this.#offset;
    if (offset === this.#sizeBytes) {
      this.#done = true;
      return { offset, data: new Uint8Array(0), last: true };
    }
    const allowed = Math.min(limits.chunkBytes, this.#credit - offset, this.#waitingBytes);
    const rest = this.#sizeBytes - offset;
    // A small chunk costs as much as a large one: wait for the rest of it, unless it is the last.
    if (allowed <= 0 || (allowed < Math.min(rest, limits.chunkBytes) && !this.#isStuck())) {
      return undefined;
    }
    const data = this.#gather(allowed);
    this.#offset += allowed;
    this.#done = this.#offset === this.#sizeBytes;
    return { offset, data, last: this.#done };
  }

  /** Credit itself ends here, so nothing larger would ever come. */
  #isStuck(): boolean {
    return this.#credit - this.#offset <= this.#waitingBytes;
  }

  #gather(count: number): Uint8Array {
    this.#waitingBytes -= count;
    const first = this.#waiting[0];
    if (first && first.length >= count) {
      if (first.length === count) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(count);
      return first.subarray(0, count);
    }
    const out = new Uint8Array(count);
    for (let at = 0; at < count; ) {
      const next = this.#waiting.shift() ?? new Uint8Array(0);
      const part = next.subarray(0, count - at);
      out.set(part, at);
      at += part.length;
      if (part.length < next.length) this.#waiting.unshift(next.subarray(part.length));
    }
    return out;
  }
}

/** Receives bytes in order from `offset` on; refuses gaps, overruns and a wrong end. */
export class InboundTransfer {
  readonly #windowBytes: number;
  readonly #sizeBytes: number | undefined;
  #offset: number;
  #drained: number;
  #credit: number;
  #ended = false;

  constructor(options: {
    offset: number;
    sizeBytes?: number | undefined;
    windowBytes?: number | undefined;
  }) {
    this.#windowBytes = options.windowBytes ?? limits.creditBytes;
    this.#sizeBytes = options.sizeBytes;
    this.#offset = options.offset;
    this.#drained = options.offset;
    this.#credit = options.offset + this.#windowBytes;
  }

  /** What to tell the sender at first. */
  get credit(): number {
    return this.#credit;
  }

  get ended(): boolean {
    return this.#ended;
  }

  get receivedOffset(): number {
    return this.#offset;
  }

  /** Bytes received that the consumer has not drained yet. */
  get heldBytes(): number {
    return this.#offset - this.#drained;
  }

  /** Throws `ProtocolError`; the chunk's data is the caller's from here on. */
  receive(chunk: Chunk): void {
    const end = chunk.offset + chunk.data.length;
    if (this.#ended) throw outOfOrder('a chunk behind the last one');
    if (chunk.offset !== this.#offset) {
      throw outOfOrder(`a chunk at ${chunk.offset}, expected at ${this.#offset}`);
    }
    if (chunk.data.length > limits.chunkBytes) {
      throw outOfOrder(`a chunk of ${chunk.data.length} bytes`);
    }
    if (end > this.#credit) {
      const text = `bytes up to ${end} with a credit of ${this.#credit}`;
      throw new ProtocolError('credit-overrun', text);
    }
    const size = this.#sizeBytes;
    if (size !== undefined && (end > size || (chunk.last && end !== size))) {
      throw outOfOrder(`content of ${size} bytes does not end at ${end}`);
    }
    this.#offset = end;
    this.#ended = chunk.last;
  }

  /** The consumer took so many bytes; returns a new credit once it is worth a frame. */
  drain(count: number): number | undefined {
    this.#drained += count;
    assert(this.#drained <= this.#offset, 'more drained than received');
    const credit = this.#drained + this.#windowBytes;
    const worth = credit - this.#credit >= this.#windowBytes / 4;
    if (this.#ended || !worth) return undefined;
    this.#credit = credit;
    return credit;
  }
}

function outOfOrder(text: string): ProtocolError {
  return new ProtocolError('bad-field', text);
}
