/**
 * Content of a transfer as promises see it: something to write to, something to iterate over.
 * The rules are those of transfer.ts; here they only wait. A side that never writes or never
 * reads on costs one window of memory.
 */
import { BlockQueue } from '../base/blocks.ts';
import { type LotcError, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Chunk } from './session-events.ts';
import { InboundTransfer, OutboundTransfer } from './transfer.ts';

export class Sending {
  readonly #transfer: OutboundTransfer;
  readonly #wake: () => void;
  #waiting: { readonly until: () => boolean; readonly met: () => void } | undefined;
  #lost: ((reason: LotcError) => void) | undefined;
  #ended: LotcError | undefined;

  constructor(options: { offset: number; sizeBytes: number; credit: number }, wake: () => void) {
    this.#transfer = new OutboundTransfer(options);
    this.#wake = wake;
  }

  /**
   * Takes any number of bytes; when it resolves they may be written over, and the next may come.
   * Rejects when the session ends.
   */
  async write(data: Uint8Array): Promise<void> {
    const transfer = this.#transfer;
    for (let rest = data; rest.length > 0; ) {
      await this.#when(() => transfer.roomBytes > 0);
      const room = Math.min(rest.length, transfer.roomBytes);
      transfer.offer(rest.subarray(0, room));
      rest = rest.subarray(room);
      this.#wake();
    }
    await this.#when(() => transfer.waitingBytes < limits.chunkBytes);
    transfer.keepRest();
  }

  /** Resolves when the last chunk has left the queue. */
  async end(): Promise<void> {
    this.#wake();
    await this.#when(() => this.#transfer.done);
  }

  /** For the session: the next chunk. */
  pull(): Chunk | undefined {
    if (this.#ended) return undefined;
    const chunk = this.#transfer.pull();
    if (chunk) this.#changed();
    return chunk;
  }

  raise(credit: number): void {
    this.#transfer.raise(credit);
    this.#changed();
    this.#wake();
  }

  stop(reason: LotcError): void {
    this.#ended ??= reason;
    this.#lost?.(reason);
    this.#waiting = undefined;
    this.#lost = undefined;
  }

  /** One thing is waited for at a time: there is one writer. */
  async #when(until: () => boolean): Promise<void> {
    if (this.#ended) throw this.#ended;
    if (until()) return;
    await new Promise<void>((met, lost) => {
      this.#waiting = { until, met };
      this.#lost = lost;
    });
  }

  #changed(): void {
    if (!this.#waiting?.until()) return;
    this.#waiting.met();
    this.#waiting = undefined;
    this.#lost = undefined;
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
  readonly #blocks = new BlockQueue();
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
    // Copied: what a socket has read goes before it grows old, and costs no collection then.
    this.#blocks.put(chunk.data);
    this.#changed();
    return undefined;
  }

  stop(reason: LotcError): void {
    this.#stopped ??= reason;
    this.#changed();
  }

  /** What has come since, or some of it, to be looked at until drained; undefined: it was all. */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const part = this.#blocks.next();
      if (part || this.#transfer.ended) return part;
      if (this.#stopped) throw this.#stopped;
      this.#waiting ??= Promise.withResolvers<void>();
      await this.#waiting.promise;
    }
  }

  /** The consumer is done with so many bytes: more may come. */
  drained(count: number): void {
    this.#blocks.free(count);
    const credit = this.#transfer.drain(count);
    if (credit !== undefined) this.#grant(credit);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (let part = await this.read(); part; part = await this.read()) {
      yield part;
      this.drained(part.length);
    }
  }

  #changed(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}
