/**
 * A session as its owner uses it: requests as promises or callbacks, handlers for what the peer
 * asks, one promise for the end. It turns the session's events into calls and knows no socket:
 * whoever owns the bytes calls `receive`, `tick` and `takeOutput`, and is woken when there is
 * something to send.
 */
import { ProtocolError } from '../base/errors.ts';
import { type AskHandlers, Call, type Line, Reply } from './exchange.ts';
import type { AnyBody, Failure, MessageKind, Ok, Req } from './layout.ts';
import { promised, type RequestOptions } from './promised.ts';
import { failureOf, lostFailure, RefusedError } from './refused.ts';
import { Session } from './session.ts';
import { type SessionEnd, type SessionEvent, type SessionOptions, says } from './session-events.ts';

export type RequestHandler<K extends MessageKind> = (body: Req<K>, reply: Reply) => void;

/** What the owner of a session wants to hear; whatever is absent is refused or passed over. */
export interface Handlers {
  /** Acceptor: to be answered by `welcome` or `refuse`. */
  hello?(body: Req<'hostHello'>): void;
  /** Requests of a kind without a handler of its own. */
  request?(kind: MessageKind, body: AnyBody, reply: Reply): void;
  notify?(kind: MessageKind, body: AnyBody): void;
  end?(end: SessionEnd): void;
}

export class Dialogue {
  readonly #session: Session;
  readonly #now: () => number;
  readonly #wake: () => void;
  readonly #line: Line;
  readonly #calls = new Map<number, Call>();
  readonly #replies = new Map<number, Reply>();
  #waiting: Call[] = [];
  #handlers: Handlers = {};
  #byKind: Map<MessageKind, RequestHandler<MessageKind>> | undefined;
  #welcomed: PromiseWithResolvers<Ok<'hostHello'>> | undefined;
  #taken: ((welcome: Ok<'hostHello'>) => void) | undefined;
  readonly #closed = Promise.withResolvers<SessionEnd>();
  #end: SessionEnd | undefined;

  constructor(options: Omit<SessionOptions, 'nowMs'>, now: () => number, wake: () => void) {
    this.#session = new Session({ ...options, nowMs: now() });
    this.#now = now;
    this.#wake = wake;
    this.#line = {
      reply: (id, state, body, more) => this.#reply(id, state, body, more),
      drop: (call) => this.#drop(call),
      grant: (id, credit) => this.#say(() => this.#session.grant(id, credit)),
      attach: (id, next) => this.#say(() => this.#session.attach(id, next)),
      fail: (error) => this.#say(() => this.#session.fail(error)),
      wake,
    };
  }

  get phase(): Session['phase'] {
    return this.#session.phase;
  }

  /** Why it ended; undefined while it lives. */
  get end(): SessionEnd | undefined {
    return this.#end;
  }

  /** Resolves with the reason; never rejects. */
  get closed(): Promise<SessionEnd> {
    return this.#closed.promise;
  }

  /** The round trip of the last ping, ms. */
  get rttMs(): number | undefined {
    return this.#session.rttMs;
  }

  get queuedBytes(): number {
    return this.#session.queuedBytes;
  }

  // ---- greeting ----

  /**
   * Rejects with `RefusedError` where the acceptor says no. `taken` is called at once, before
   * anything that came behind WELCOME is heard; the promise may be later than that.
   */
  hello(
    body: Req<'hostHello'>,
    taken?: (welcome: Ok<'hostHello'>) => void,
  ): Promise<Ok<'hostHello'>> {
    this.#welcomed = Promise.withResolvers();
    this.#taken = taken;
    this.#say(() => this.#session.hello(body));
    return this.#welcomed.promise;
  }

  /** With a token's key, instead of HELLO. */
  enrol(body: Req<'hostAdd'>): Promise<Ok<'hostAdd'>> {
    return new Promise((resolve, reject) => {
      const call = new Call(this.#line, 'hostAdd', body, {
        ok: (answer) => resolve(answer as Ok<'hostAdd'>),
        fail: (failure) => reject(new RefusedError(failure)),
      });
      this.#say(() => this.#register(call, this.#session.enrol(body)));
    });
  }

  welcome(body: Ok<'hostHello'>): void {
    this.#say(() => this.#session.welcome(body));
  }

  refuse(failure: Failure): void {
    this.#say(() => this.#session.refuse(failure));
  }

  // ---- asking ----

  ask<K extends MessageKind>(kind: K, body: Req<K>, handlers: AskHandlers): Call {
    const call = new Call(this.#line, kind, body, handlers);
    if (this.#end) call.failed(lostFailure(this.#end));
    else if (this.#session.canRequest || kind === 'ping') this.#send(call);
    else this.#waiting.push(call);
    return call;
  }

  /** `ask` as a promise. */
  request<K extends MessageKind>(
    kind: K,
    body: Req<K>,
    options: RequestOptions<K> = {},
  ): Promise<Ok<K>> {
    return promised((handlers) => this.ask(kind, body, handlers), options);
  }

  /** Says what wants no answer. */
  notify<K extends MessageKind>(kind: K, body: Req<K>): void {
    this.#say(() => this.#session.notify(kind, body));
  }

  // ---- being asked ----

  handle(handlers: Handlers): void {
    this.#handlers = handlers;
  }

  onRequest<K extends MessageKind>(kind: K, handler: RequestHandler<K>): void {
    this.#byKind ??= new Map();
    this.#byKind.set(kind, handler);
  }

  /** Every request of the peer that is open ends with this: it is told why before we close. */
  failAll(failure: Failure): void {
    for (const [id, reply] of [...this.#replies]) {
      this.#reply(id, 'ERR', failure);
      reply.withdrawn(failure);
    }
  }

  // ---- the owner of the bytes ----

  receive(bytes: Uint8Array): void {
    this.#dispatch(this.#session.receive(bytes, this.#now()));
    this.#wake();
  }

  /** Returns when it wants to be called again. */
  tick(): number {
    this.#dispatch(this.#session.tick(this.#now()));
    this.#wake();
    return this.#session.deadlineMs();
  }

  get deadlineMs(): number {
    return this.#session.deadlineMs();
  }

  takeOutput(maxBytes: number): readonly Uint8Array[] {
    return this.#session.takeOutput(maxBytes);
  }

  /** The peer is told nothing but the end of the stream. */
  over(text: string, by: 'us' | 'peer'): void {
    this.#session.close(text);
    this.#dispatch(this.#session.tick(this.#now()).map((event) => says(event, by)));
  }

  // ---- inside ----

  #say(act: () => void): void {
    act();
    // What went wrong while speaking (a queue over its bound) is an event like any other.
    if (this.#session.phase === 'ended' && !this.#end) this.tick();
    else this.#wake();
  }

  #send(call: Call): void {
    const { kind, body = {} } = call;
    this.#say(() => this.#register(call, this.#session.request(kind, body, this.#now())));
  }

  #register(call: Call, id: number): void {
    call.sent(id);
    this.#calls.set(id, call);
  }

  #drop(call: Call): void {
    if (!this.#calls.delete(call.id)) {
      this.#waiting = this.#waiting.filter((one) => one !== call);
      return;
    }
    this.#say(() => this.#session.drop(call.id));
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    while (this.#waiting.length > 0 && this.#session.canRequest) {
      const call = this.#waiting.shift();
      if (call) this.#send(call);
    }
  }

  #reply(...[id, state, body, more]: Parameters<Line['reply']>): void {
    if (state === 'ERR' || (state === 'OK' && !more)) this.#replies.delete(id);
    this.#say(() => this.#session.reply(id, state, body, more));
  }

  /** What came behind the words that made its owner close it is not heard any more. */
  #dispatch(events: readonly SessionEvent[]): void {
    for (const event of events) if (!this.#end) this.#one(event);
  }

  #one(event: SessionEvent): void {
    switch (event.type) {
      case 'hello':
        this.#handlers.hello?.(event.body);
        break;
      case 'welcome':
        this.#taken?.(event.body);
        this.#welcomed?.resolve(event.body);
        this.#sendWaiting();
        break;
      case 'refused':
        this.#welcomed?.reject(new RefusedError(event.failure));
        break;
      case 'request':
        this.#asked(event.kind, event.id, event.body);
        break;
      case 'notify':
        this.#handlers.notify?.(event.kind, event.body);
        break;
      case 'reply':
        if (this.#calls.get(event.id)?.answered(event.state, event.body, event.more)) {
          this.#calls.delete(event.id);
          this.#sendWaiting();
        }
        break;
      case 'chunk':
        this.#exchange(event.id)?.chunk(event);
        break;
      case 'credit':
        this.#exchange(event.id)?.raised(event.credit);
        break;
      case 'drop':
        this.#replies.get(event.id)?.withdrawn();
        this.#replies.delete(event.id);
        break;
      case 'end':
        this.#ended(event.end);
        break;
    }
  }

  #exchange(id: number): Call | Reply | undefined {
    return this.#calls.get(id) ?? this.#replies.get(id);
  }

  #asked(kind: MessageKind, id: number, body: AnyBody): void {
    const reply = new Reply(this.#line, id);
    this.#replies.set(id, reply);
    const handler = this.#byKind?.get(kind);
    if (handler) handler(body as Req<MessageKind>, reply);
    else if (this.#handlers.request) this.#handlers.request(kind, body, reply);
    else reply.fail(failureOf('not-allowed', `${kind} is not answered here`));
  }

  #ended(end: SessionEnd): void {
    if (this.#end) return;
    this.#end = end;
    const failure = lostFailure(end);
    const reason = end.fault === undefined ? new RefusedError(failure) : undefined;
    this.#welcomed?.reject(reason ?? new ProtocolError(end.fault ?? 'silent', end.text));
    this.#welcomed?.promise.catch(() => undefined);
    const calls = [...this.#calls.values(), ...this.#waiting.splice(0)];
    const replies = [...this.#replies.values()];
    this.#calls.clear();
    this.#replies.clear();
    for (const call of calls) call.failed(failure);
    for (const reply of replies) reply.withdrawn(failure);
    this.#handlers.end?.(end);
    this.#closed.resolve(end);
  }
}
