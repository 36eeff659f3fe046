/**
 * One session of the protocol, as a state machine: bytes and times in, events out; frames out in
 * two classes. It knows no socket, no clock and no role. PROTOCOL, "Phases" and "Repeats".
 *
 * hello: the opener says who it is (HELLO), the acceptor takes it (WELCOME) or not; nothing else
 * is read. open: requests, answers, notices, chunks both ways. ended: for a reason, said once.
 * A broken peer ends its own session and nothing else: no method throws but for bugs of ours.
 */
import { assert } from '../base/assert.ts';
import { errorCodes, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { Answers } from './answers.ts';
import { encodeChunk, encodeFrame } from './codec.ts';
import { encodeErrorFrame } from './error-frame.ts';
import { FrameReader } from './frame.ts';
import type { AnyBody, Failure, MessageKind, Ok, Req } from './layout.ts';
import { type FrameSource, Outbox } from './outbox.ts';
import { Pulse } from './pulse.ts';
import { Questions } from './questions.ts';
import { Receiver } from './receiver.ts';
import {
  type Chunk,
  isLast,
  type ReplyState,
  type SessionEnd,
  type SessionEvent,
  type SessionOptions,
} from './session-events.ts';

export class Session {
  readonly #reader = new FrameReader();
  readonly #outbox = new Outbox();
  readonly #questions: Questions;
  readonly #answers = new Answers();
  readonly #receiver: Receiver;
  readonly #opener: boolean;
  #phase: 'hello' | 'open' | 'ended' = 'hello';
  #events: SessionEvent[] = [];
  #nowMs: number;
  readonly #pulse: Pulse;
  readonly #handshakeEndMs: number;
  #rttMs: number | undefined;

  constructor(options: SessionOptions) {
    this.#opener = options.side === 'opener';
    this.#questions = new Questions(this.#opener, options.idsEnd);
    this.#nowMs = options.nowMs;
    this.#pulse = new Pulse(limits.pingEveryMs);
    this.#handshakeEndMs = options.nowMs + (options.handshakeMs ?? limits.handshakeMs);
    this.#receiver = new Receiver({
      opener: this.#opener,
      enrol: options.enrol ?? false,
      tally: options.tally,
      questions: this.#questions,
      answers: this.#answers,
      send: (frame) => this.#control(frame),
      emit: (event) => this.#emit(event),
      pong: (sentMs) => void (this.#rttMs = this.#nowMs - sentMs),
    });
  }

  get phase(): 'hello' | 'open' | 'ended' {
    return this.#phase;
  }

  /** Of the last ping. */
  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  get canRequest(): boolean {
    const { exhausted, inFlight } = this.#questions;
    return this.#phase === 'open' && !exhausted && inFlight < limits.requestsInFlight;
  }

  /** Without what sources would still give. */
  get queuedBytes(): number {
    return this.#outbox.controlBytes + this.#outbox.bulkBytes;
  }

  // ---- bytes and time ----

  receive(bytes: Uint8Array, nowMs: number): readonly SessionEvent[] {
    if (this.#phase === 'ended') return this.#take();
    this.#nowMs = nowMs;
    this.#pulse.heard(nowMs);
    this.#reader.push(bytes);
    try {
      for (let frame = this.#reader.next(); frame; frame = this.#reader.next()) {
        this.#receiver.receive(frame, this.#phase === 'open', nowMs);
        if (this.phase === 'ended') break;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.fail(error);
    }
    return this.#take();
  }

  /** At `deadlineMs()`, and whenever there may be events. */
  tick(nowMs: number): readonly SessionEvent[] {
    this.#nowMs = nowMs;
    if (this.#phase === 'hello' && nowMs >= this.#handshakeEndMs) {
      this.fail(new ProtocolError('handshake-timeout', 'no HELLO and WELCOME in time'));
    } else if (this.#phase === 'open') {
      this.#answers.forgetBefore(nowMs - limits.answerGiveUpMs);
      this.#pingOrDie(nowMs);
      this.#losePatience(nowMs);
    }
    return this.#take();
  }

  deadlineMs(): number {
    if (this.#events.length > 0) return this.#nowMs;
    if (this.#phase === 'hello') return this.#handshakeEndMs;
    return this.#phase === 'open' ? this.#pulse.nextMs : Number.POSITIVE_INFINITY;
  }

  /** Whole frames, one after the other: until `maxBytes` are reached, at least one if any. */
  takeOutput(maxBytes: number): readonly Uint8Array[] {
    return this.#outbox.take(maxBytes);
  }

  // ---- greeting ----

  hello(body: Req<'hostHello'>): void {
    assert(this.#opener && this.#phase === 'hello', 'the opener says HELLO, once');
    this.#ask('hostHello', body, this.#nowMs);
  }

  /** Instead of HELLO, with the key of a token: asks for a certificate. */
  enrol(body: Req<'hostAdd'>): number {
    assert(this.#opener && this.#phase === 'hello', 'enrolment comes instead of HELLO');
    return this.#ask('hostAdd', body, this.#nowMs);
  }

  welcome(body: Ok<'hostHello'>): void {
    assert(!this.#opener, 'the acceptor says WELCOME');
    if (this.#phase !== 'hello') return;
    this.#finish(1, encodeFrame({ kind: 'hostHello', state: 'OK', id: 1, body }));
    this.#open(body.heartbeatMs);
  }

  /** Answers HELLO with ERR; the session is over. */
  refuse(failure: Failure): void {
    if (this.#phase !== 'hello') return;
    this.#finish(1, encodeFrame({ kind: 'hostHello', state: 'ERR', id: 1, body: failure }));
    this.#end({ by: 'us', fault: undefined, text: failure.text });
  }

  // ---- talking ----

  /** Returns its id. */
  request(kind: MessageKind, body: AnyBody, nowMs: number): number {
    assert(this.#phase === 'open', `a ${kind} before WELCOME or after the end`);
    assert(kind === 'ping' || this.canRequest, 'too many requests in flight');
    return this.#ask(kind, body, nowMs);
  }

  /** An answer to a request of the peer; to one that was withdrawn it goes nowhere. */
  reply(id: number, state: ReplyState, body: AnyBody, more = false): void {
    const working = this.#answers.find(id);
    if (!working || this.#phase === 'ended') return;
    const frame = encodeFrame({ kind: working.kind, state, id, more, body });
    // What follows a part must not overtake it, so it goes the same way.
    working.bulk ||= more;
    if (working.bulk) this.#bulk(frame);
    else this.#control(frame);
    if (isLast({ state, more })) {
      this.#outbox.detach(id);
      this.#answers.finish(id, frame, this.#nowMs);
    }
  }

  notify(kind: MessageKind, body: AnyBody): void {
    if (this.#phase === 'open') this.#control(encodeFrame({ kind, state: 'REQ', id: 0, body }));
  }

  /** Withdraws a request of ours: answers that are on their way are for nobody. */
  drop(id: number): void {
    if (!this.#questions.close(id)) return;
    this.#outbox.detach(id);
    this.notify('synDrop', { request: id });
  }

  /** Lets the sender of transfer `id` go up to byte `credit`. */
  grant(id: number, credit: number): void {
    if (this.#phase !== 'open') return;
    this.#control(encodeFrame({ kind: 'fileCredit', state: 'REQ', id, body: { credit } }));
  }

  /** Chunks of transfer `id` are asked of `next` whenever nothing else is to be sent. */
  attach(id: number, next: () => Chunk | undefined): void {
    const working = this.#answers.find(id);
    if (working) working.bulk = true;
    const source: FrameSource = () => {
      const chunk = next();
      if (!chunk) return undefined;
      if (chunk.last) this.#outbox.detach(id);
      return encodeChunk(id, chunk);
    };
    this.#outbox.attach(id, source);
  }

  // ---- the end ----

  /** The peer broke the protocol: it is told so, and that is the end. */
  fail(error: ProtocolError): void {
    if (this.#phase === 'ended') return;
    this.#outbox.clearBulk();
    if (error.fault === 'slow-consumer' || error.fault === 'silent') this.#outbox.clear();
    else this.#outbox.control(encodeErrorFrame(error));
    this.#end({ by: 'us', fault: error.fault, text: error.message });
  }

  close(text: string): void {
    if (this.#phase !== 'ended') this.#end({ by: 'us', fault: undefined, text });
  }

  #end(end: SessionEnd): void {
    this.#phase = 'ended';
    this.#reader.clear();
    this.#events.push({ type: 'end', end });
  }

  #open(heartbeatMs: number): void {
    this.#phase = 'open';
    this.#reader.bodyBytesMax = limits.bodyBytes;
    this.#pulse.start(heartbeatMs, this.#nowMs);
  }

  #emit(event: SessionEvent): void {
    if (event.type === 'end') {
      this.#outbox.clear();
      this.#end(event.end);
      return;
    }
    this.#events.push(event);
    if (event.type === 'welcome') this.#open(event.body.heartbeatMs);
    else if (event.type === 'refused') {
      this.#end({ by: 'peer', fault: undefined, text: event.failure.text });
    } else if (event.type === 'drop' || (event.type === 'reply' && isLast(event))) {
      this.#outbox.detach(event.id);
    }
  }

  #take(): readonly SessionEvent[] {
    const events = this.#events;
    if (events.length > 0) this.#events = [];
    return events;
  }

  #ask(kind: MessageKind, body: AnyBody, nowMs: number): number {
    const id = this.#questions.nextId();
    const frame = encodeFrame({ kind, state: 'REQ', id, body });
    this.#questions.ask(id, kind, frame, nowMs);
    this.#control(frame);
    return id;
  }

  #finish(id: number, frame: Uint8Array): void {
    this.#control(frame);
    this.#answers.finish(id, frame, this.#nowMs);
  }

  #control(frame: Uint8Array): void {
    if (this.#phase === 'ended') return;
    if (this.#outbox.controlBytes > limits.sendQueueBytes) this.#tooSlow();
    else this.#outbox.control(frame);
  }

  #bulk(frame: Uint8Array): void {
    if (this.#outbox.bulkBytes > limits.bulkQueueBytes) this.#tooSlow();
    else this.#outbox.bulk(frame);
  }

  #tooSlow(): void {
    this.fail(new ProtocolError('slow-consumer', 'the peer does not read what it is sent'));
  }

  #pingOrDie(nowMs: number): void {
    const verdict = this.#pulse.tick(nowMs);
    if (verdict === 'dead') {
      const text = `nothing heard for ${this.#pulse.silenceMs} ms`;
      this.fail(new ProtocolError('silent', text));
    } else if (this.#questions.exhausted) this.close('its request ids are used up');
    else if (verdict === 'ping') this.#ask('ping', {}, nowMs);
  }

  #losePatience(nowMs: number): void {
    if (this.#phase !== 'open') return;
    const { repeats, givenUp } = this.#questions.tick(nowMs);
    for (const frame of repeats) this.#control(frame);
    for (const { id, kind } of givenUp) {
      const text = `no answer to ${kind} for ${limits.answerGiveUpMs / 1000} s, though the peer lives`;
      const body: Failure = { errorCode: errorCodes.timeout.number, text };
      this.#events.push({ type: 'reply', kind, id, state: 'ERR', more: false, body });
    }
  }
}
