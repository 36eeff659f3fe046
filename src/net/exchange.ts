/**
 * One request and its answers, from both ends: `Call` is ours to the peer, `Reply` is for one of
 * the peer's. Either may carry a transfer. They know the session through `Line` only.
 */
import { assert } from '../base/assert.ts';
import type { ProtocolError } from '../base/errors.ts';
import { Receiving, type ReceivingOptions, Sending } from './content.ts';
import type { AnyBody, Failure, MessageKind } from './layout.ts';
import { failureOf, RefusedError } from './refused.ts';
import type { Chunk, ReplyState } from './session-events.ts';

/** What an exchange needs of its session. */
export interface Line {
  reply(id: number, state: ReplyState, body: AnyBody, more?: boolean): void;
  drop(call: Call): void;
  grant(id: number, credit: number): void;
  attach(id: number, next: () => Chunk | undefined): void;
  fail(error: ProtocolError): void;
  wake(): void;
}

export interface AskHandlers {
  ack?(body: AnyBody): void;
  more?(body: AnyBody): void;
  ok(body: AnyBody): void;
  /** ERR, or the session ended (`errorCode` of `unresponsive`). */
  fail(failure: Failure): void;
  /** The peer lets what we send under this request go up to so many bytes. */
  credit?(credit: number): void;
}

abstract class Exchange {
  protected readonly line: Line;
  #sending: Sending | undefined;
  #receiving: Receiving | undefined;

  constructor(line: Line) {
    this.line = line;
  }

  abstract get id(): number;

  /** Content that goes out under this request's id. */
  send(options: { offset: number; sizeBytes: number; credit: number }): Sending {
    assert(!this.#sending, 'one transfer a request');
    const sending = new Sending(options, () => this.line.wake());
    this.#sending = sending;
    this.line.attach(this.id, () => sending.pull());
    return sending;
  }

  /** Content that comes in under this request's id; before the peer may begin to send it. */
  receive(options: ReceivingOptions): Receiving {
    assert(!this.#receiving, 'one transfer a request');
    this.#receiving = new Receiving(options, (credit) => this.line.grant(this.id, credit));
    return this.#receiving;
  }

  /** Lets the peer go up to byte `credit` of what it sends under this request's id. */
  credit(credit: number): void {
    this.line.grant(this.id, credit);
  }

  chunk(chunk: Chunk): void {
    const fault = this.#receiving?.accept(chunk);
    if (fault) this.line.fail(fault);
  }

  raised(credit: number): void {
    this.#sending?.raise(credit);
  }

  /** A receiver that has everything is left alone: its consumer may still be reading. */
  protected stop(failure: Failure): void {
    const reason = new RefusedError(failure);
    this.#sending?.stop(reason);
    this.#receiving?.stop(reason);
  }
}

/** A request of ours. It may have to wait for its turn; then it has no id yet. */
export class Call extends Exchange {
  readonly kind: MessageKind;
  body: AnyBody | undefined;
  #id = 0;
  readonly #handlers: AskHandlers;
  #over = false;

  constructor(line: Line, kind: MessageKind, body: AnyBody, handlers: AskHandlers) {
    super(line);
    this.kind = kind;
    this.body = body;
    this.#handlers = handlers;
  }

  get id(): number {
    return this.#id;
  }

  get over(): boolean {
    return this.#over;
  }

  sent(id: number): void {
    this.#id = id;
    this.body = undefined;
  }

  /** Not interested any more: nothing is called back from now on. */
  drop(): void {
    if (this.#over) return;
    this.#over = true;
    this.stop(withdrawn);
    this.line.drop(this);
  }

  override raised(credit: number): void {
    super.raised(credit);
    this.#handlers.credit?.(credit);
  }

  /** Returns whether that was the last answer. */
  answered(state: ReplyState, body: AnyBody, more: boolean): boolean {
    if (this.#over) return true;
    if (state === 'ACK') this.#handlers.ack?.(body);
    else if (state === 'OK' && more) this.#handlers.more?.(body);
    else if (state === 'OK') {
      this.#over = true;
      this.#handlers.ok(body);
      this.stop(answered);
    } else this.failed(body as Failure);
    return this.#over;
  }

  failed(failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.#handlers.fail(failure);
    this.stop(failure);
  }
}

/** Answers one request of the peer. After `ok` or `fail` it is over. */
export class Reply extends Exchange {
  readonly id: number;
  #dropped: (() => void) | undefined;
  #raised: ((credit: number) => void) | undefined;
  #over = false;

  constructor(line: Line, id: number) {
    super(line);
    this.id = id;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Received, and durable where it has to be. */
  ack(body: AnyBody): void {
    if (!this.#over) this.line.reply(this.id, 'ACK', body);
  }

  /** A part of the answer. */
  more(body: AnyBody): void {
    if (!this.#over) this.line.reply(this.id, 'OK', body, true);
  }

  ok(body: AnyBody): void {
    if (this.#over) return;
    // First: a body that no frame can hold is thrown back, and can be answered by `fail`.
    this.line.reply(this.id, 'OK', body);
    this.#over = true;
  }

  fail(failure: Failure): void {
    if (this.#over) return;
    this.#over = true;
    this.line.reply(this.id, 'ERR', failure);
    this.stop(failure);
  }

  /** The peer withdrew the request, or is gone. */
  onDrop(dropped: () => void): void {
    this.#dropped = dropped;
  }

  /** The peer raised the credit of this answer to so many bytes in all. */
  onCredit(raised: (credit: number) => void): void {
    this.#raised = raised;
  }

  override raised(credit: number): void {
    super.raised(credit);
    this.#raised?.(credit);
  }

  withdrawn(failure: Failure = withdrawn): void {
    if (this.#over) return;
    this.#over = true;
    this.stop(failure);
    this.#dropped?.();
  }
}

const withdrawn = failureOf('cancelled', 'withdrawn by the one who asked');
const answered = failureOf('cancelled', 'the request has been answered');
