/**
 * What a session is told and tells: its settings, its events, and how it ended. Shared by the
 * parts a session is made of.
 */
import type { ProtocolFault } from '../base/errors.ts';
import type { AnyBody, Failure, MessageKind, Ok, Req } from './layout.ts';
import type { Tally } from './tally.ts';

export interface SessionOptions {
  readonly side: 'opener' | 'acceptor';
  readonly nowMs: number;
  /** Acceptor: the peer may ask for its enrolment (hostAdd) instead of saying HELLO. */
  readonly enrol?: boolean | undefined;
  readonly handshakeMs?: number | undefined;
  /** Where our request ids end; the session does, too. */
  readonly idsEnd?: number | undefined;
  /** Limits that the peer meets are counted here. */
  readonly tally?: Tally | undefined;
}

export interface Chunk {
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export interface SessionEnd {
  /** Who ended it: the side that found the fault or closed. */
  readonly by: 'us' | 'peer';
  /** Undefined: closed in order. */
  readonly fault: ProtocolFault | undefined;
  readonly text: string;
}

export type ReplyState = 'ACK' | 'OK' | 'ERR';

/** Whether an answer is the last one to its request. */
export function isLast({ state, more }: { state: ReplyState; more: boolean }): boolean {
  return state === 'ERR' || (state === 'OK' && !more);
}

export type SessionEvent =
  /** The peer introduces itself (acceptor): to be answered by `welcome` or `refuse`. */
  | { readonly type: 'hello'; readonly body: Req<'hostHello'> }
  | { readonly type: 'welcome'; readonly body: Ok<'hostHello'> }
  | { readonly type: 'refused'; readonly failure: Failure }
  | {
      readonly type: 'request';
      readonly kind: MessageKind;
      readonly id: number;
      readonly body: AnyBody;
    }
  | { readonly type: 'notify'; readonly kind: MessageKind; readonly body: AnyBody }
  | {
      readonly type: 'reply';
      readonly kind: MessageKind;
      readonly id: number;
      readonly state: ReplyState;
      /** Another answer to this request follows. */
      readonly more: boolean;
      readonly body: AnyBody;
    }
  | {
      readonly type: 'chunk';
      readonly id: number;
      readonly offset: number;
      readonly data: Uint8Array;
      readonly last: boolean;
    }
  | { readonly type: 'credit'; readonly id: number; readonly credit: number }
  /** The peer withdrew its request. */
  | { readonly type: 'drop'; readonly id: number }
  | { readonly type: 'end'; readonly end: SessionEnd };

/** The same event, with who ended it put right. */
export function says(event: SessionEvent, by: 'us' | 'peer'): SessionEvent {
  return event.type === 'end' ? { type: 'end', end: { ...event.end, by } } : event;
}
