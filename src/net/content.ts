/**
 * Content of a transfer as promises see it: something to write to, something to iterate over.
 * The rules are those of transfer.ts; here they only wait. A side that never writes or never
 * reads on costs one window of memory.
 */
import { type LotcError, ProtocolError } from '../base/errors.ts';
import type { Chunk } from './session-events.ts';
import { InboundTransfer, OutboundTransfer } from './transfer.ts';

export class Sending {
  readonly #transfer: OutboundTransfer;
  readonly #wake: () => void;
  #waiting: PromiseWithResolvers<void> | undefined;
  #ended: LotcError | undefined;

  constructor(options: { offset: number; sizeBytes: number; credit: number }, wake: () => void) {
    this.#transfer = new OutboundTransfer(options);
    this.#wake = wake;
  }

  /** Takes any number of bytes; resolves when the next may come. Rejects when the session ends. */
  async write(data: Uint8Array): Promise<void> {
    let rest = data;
    while (rest.length > 0) {
      const room = Math.min(rest.length, await this.#room());
      this.#transfer.offer(rest.subarray(0, room));
      rest = rest.subarray(room);
      this.#wake();
    }
  }

  /** Resolves when the last chunk has left the queue. */
  async end(): Promise<void> {
    this.#wake();
    while (!this.#transfer.done) await this.#change();
  }

  /** For the session: the next chunk. */
  pull(): Chunk | undefined {
    if (this.#ended) return undefined;
    const chunk = this.#transfer.pull();
    if (chunk && (this.#transfer.done || this.#transfer.roomBytes > 0)) this.#changed();
    return chunk;
  }

  raise(credit: number): void {
    this.#transfer.raise(credit);
    this.#changed();
    this.#wake();
  }

  stop(reason: LotcError): void {
    this.#ended ??= reason;
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  async #room(): Promise<number> {
    for (;;) {
      if (this.#ended) throw this.#ended;
      const room = this.#transfer.roomBytes;
      if (room > 0) return room;
      await this.#change();
    }
  }

  async #change(): Promise<void> {
    if (this.#ended) throw this.#ended;
    this.#waiting ??= Promise.withResolvers<void>();
    await this.#waiting.promise;
  }

  #changed(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

export interface ReceivingOptions {
  readonly offset: number;
  readonly sizeBytes?: number | undefined;
  readonly windowBytes?: number | undefined;
}

/** Iterate once; ends behind the last chunk, throws when the session ends before. */
export class Receiving implements AsyncIterable<Uint8Array> {
  readonly #transfer: InboundTransfer;
  readonly #grant: (credit: number) => void;
  #pieces: Uint8Array[] = [];
  #waiting: PromiseWithResolvers<void> | undefined;
  #stopped: LotcError | undefined;

  constructor(options: ReceivingOptions, grant: (credit: number) => void) {
    this.#transfer = new InboundTransfer(options);
    this.#grant = grant;
  }

  /** What the sender may send at first. */
  get credit(): number {
    return this.#transfer.credit;
  }

  /** The fault of a peer that broke the transfer's rules. */
  accept(chunk: Chunk): ProtocolError | undefined {
    try {
      this.#transfer.receive(chunk);
    } catch (error) {
      if (error instanceof ProtocolError) return error;
      throw error;
    }
    if (chunk.data.length > 0) this.#pieces.push(chunk.data);
    this.#changed();
    return undefined;
  }

  stop(reason: LotcError): void {
    this.#stopped ??= reason;
    this.#changed();
  }

  /** All that has come since; undefined: it was all. */
  async read(): Promise<readonly Uint8Array[] | undefined> {
    while (this.#pieces.length === 0) {
      if (this.#transfer.ended) return undefined;
      if (this.#stopped) throw this.#stopped;
      this.#waiting ??= Promise.withResolvers<void>();
      await this.#waiting.promise;
    }
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** The consumer is done with so many bytes: more may come. */
  drained(count: number): void {
    const credit = this.#transfer.drain(count);
    if (credit !== undefined) this.#grant(credit);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let pieces = await this.read(); pieces; pieces = await this.read()) {
      for (const piece of pieces) {
        yield piece;
        this.drained(piece.length);
      }
    }
  }

  #changed(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
