/**
 * What an incoming frame means for a session: who may say what in which phase, which ids are
 * whose, what is a repeat. Throws `ProtocolError` where the peer broke a rule; the session ends
 * itself then. PROTOCOL, "Request ids" and "Phases".
 */
import { errorCodes, ProtocolError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { Allowance } from './allowance.ts';
import type { Answers } from './answers.ts';
import { type DecodedMessage, decodeFrame, encodeFrame } from './codec.ts';
import { isAnswered, isErrorCode, layoutOfCode, STATE_REQ } from './codes.ts';
import { decodeErrorFrame, encodeErrorFrame } from './error-frame.ts';
import type { Frame } from './frame.ts';
import type { Failure, MessageKind, Ok, Req } from './layout.ts';
import type { Questions } from './questions.ts';
import type { ReplyState, SessionEvent } from './session-events.ts';
import type { Tally } from './tally.ts';

export interface ReceiverOptions {
  readonly opener: boolean;
  readonly enrol: boolean;
  readonly questions: Questions;
  readonly answers: Answers;
  readonly tally: Tally | undefined;
  send(frame: Uint8Array): void;
  emit(event: SessionEvent): void;
  /** One of our pings, sent then, was answered. */
  pong(sentMs: number): void;
}

export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #questions: Questions;
  readonly #answers: Answers;
  readonly #allowance = new Allowance(limits.ownAnswersPerSecond);
  readonly #samples = new Allowance(limits.samplesPerSecond);

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#questions = options.questions;
    this.#answers = options.answers;
  }

  receive(frame: Frame, open: boolean, nowMs: number): void {
    if (isErrorCode(frame.code)) {
      this.#error(frame);
      return;
    }
    if (!layoutOfCode(frame.code)) {
      this.#unknown(frame, open, nowMs);
      return;
    }
    const message = decodeFrame(frame);
    if (!open) this.#judgeGreeting(message);
    if (message.state !== 'REQ') this.#reply(message, message.state);
    else if (isAnswered(message.kind)) this.#request(message, nowMs);
    else this.#notice(message, nowMs);
  }

  #judgeGreeting({ kind, state, id }: DecodedMessage): void {
    const { opener, enrol } = this.#options;
    const isAnswer = state !== 'REQ' && state !== 'ACK' && id === 1;
    const mayCome = opener ? isAnswer : state === 'REQ' && (id === 1 || this.#answers.hasSeen(id));
    const isGreeting = kind === 'hostHello' || (kind === 'hostAdd' && (opener || enrol));
    if (mayCome && isGreeting) return;
    throw new ProtocolError('unexpected-message', `${kind} ${state} before HELLO and WELCOME`);
  }

  #request({ kind, id, body }: DecodedMessage, nowMs: number): void {
    if (id === 0 || this.#questions.isOurs(id)) throw badId(kind, id);
    const arrival = this.#answers.arrive(id, kind);
    if (arrival.is === 'answered') {
      this.#answerAlone(arrival.frame, nowMs);
    } else if (arrival.is === 'too-many' && kind !== 'ping') {
      this.#options.tally?.add('requestsInFlight');
      const text = `more than ${limits.requestsInFlight} requests at once on one session`;
      const failure: Failure = { errorCode: errorCodes.busy.number, text };
      this.#answer(encodeFrame({ kind, state: 'ERR', id, body: failure }), id, nowMs);
    } else if (arrival.is !== 'known') {
      if (kind === 'ping') {
        this.#answer(encodeFrame({ kind, state: 'OK', id, body: {} }), id, nowMs);
      } else if (kind === 'hostHello') {
        if (id !== 1) throw badId(kind, id);
        this.#options.emit({ type: 'hello', body: body as Req<'hostHello'> });
      } else {
        this.#options.emit({ type: 'request', kind, id, body });
      }
    }
  }

  #answer(frame: Uint8Array, id: number, nowMs: number): void {
    this.#answerAlone(frame, nowMs);
    this.#answers.finish(id, frame, nowMs);
  }

  /** Nobody is asked, so nothing but this holds back a peer that would have it without end. */
  #answerAlone(frame: Uint8Array, nowMs: number): void {
    if (this.#allowance.take(nowMs)) {
      this.#options.send(frame);
      return;
    }
    throw tooMany(`${limits.ownAnswersPerSecond} pings, repeats and refusals`);
  }

  /** What is never answered: it belongs to a transfer, withdraws a request, or stands alone. */
  #notice({ kind, id, body, more }: DecodedMessage, nowMs: number): void {
    if (kind === 'fileChunk' || kind === 'fileCredit') {
      if (!this.#isOpen(kind, id)) return;
      const { credit = 0, data = empty, offset = 0 } = body;
      if (kind === 'fileCredit') this.#options.emit({ type: 'credit', id, credit });
      else this.#options.emit({ type: 'chunk', id, offset, data, last: !more });
      return;
    }
    if (id !== 0) throw badId(kind, id);
    if (kind !== 'synDrop') {
      if (!this.#samples.take(nowMs)) throw tooMany(`${limits.samplesPerSecond} readings`);
      this.#options.emit({ type: 'notify', kind, body });
      return;
    }
    const dropped = body.request ?? 0;
    if (this.#answers.drop(dropped)) this.#options.emit({ type: 'drop', id: dropped });
    else if (!this.#allowance.take(nowMs))
      throw tooMany(`${limits.ownAnswersPerSecond} withdrawals`);
  }

  /** Frames of a transfer that ended or was withdrawn may still be on their way. */
  #isOpen(kind: MessageKind, id: number): boolean {
    const ours = this.#questions.isOurs(id);
    const seen = ours ? this.#questions.hasAsked(id) : id !== 0 && this.#answers.hasSeen(id);
    if (!seen) throw badId(kind, id);
    return (ours ? this.#questions.find(id) : this.#answers.find(id)) !== undefined;
  }

  #reply({ kind, id, body, more }: DecodedMessage, state: ReplyState): void {
    if (!this.#questions.hasAsked(id)) throw badId(kind, id);
    const question = this.#questions.find(id);
    if (!question) return;
    if (question.kind !== kind) {
      const text = `request ${id} was ${question.kind}, the answer is to ${kind}`;
      throw new ProtocolError('unexpected-message', text);
    }
    const part = state === 'ACK' || (state === 'OK' && more);
    if (part) this.#questions.sign(id);
    else this.#questions.close(id);
    if (kind === 'ping') {
      this.#options.pong(question.sentMs);
    } else if (kind === 'hostHello') {
      if (state === 'ERR') this.#options.emit({ type: 'refused', failure: body as Failure });
      else this.#options.emit({ type: 'welcome', body: body as Ok<'hostHello'> });
      return;
    }
    this.#options.emit({ type: 'reply', kind, id, state, more: part && more, body });
  }

  /** A message of a newer LOTC: a request is refused, and the session goes on. */
  #unknown({ code, id }: Frame, open: boolean, nowMs: number): void {
    const error = new ProtocolError('bad-code', `message code ${code} is unknown here`);
    const isRequest = (code & 3) === STATE_REQ && id !== 0 && !this.#questions.isOurs(id);
    if (!open || !isRequest) throw error;
    this.#answers.pass(id);
    this.#answerAlone(encodeErrorFrame(error, id), nowMs);
  }

  #error(frame: Frame): void {
    const error = decodeErrorFrame(frame);
    const question = this.#questions.find(frame.id);
    if (frame.id === 0 || !question) {
      const { fault, message } = error;
      this.#options.emit({ type: 'end', end: { by: 'peer', fault, text: message } });
      return;
    }
    this.#questions.close(frame.id);
    const text = `the peer does not know ${question.kind}: it is another version of LOTC`;
    const body: Failure = { errorCode: errorCodes.unsupported.number, text };
    const { kind } = question;
    this.#options.emit({ type: 'reply', kind, id: frame.id, state: 'ERR', more: false, body });
  }
}

const empty = new Uint8Array(0);

const tooMany = (what: string): ProtocolError =>
  new ProtocolError('too-many-requests', `more than ${what} in a second`);

function badId(kind: MessageKind, id: number): ProtocolError {
  return new ProtocolError('bad-id', `${kind} with request id ${id}`);
}
