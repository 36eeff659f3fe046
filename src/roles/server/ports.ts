/**
 * What the server's core asks of the world. The real ones are sockets, the journal and the system
 * clock; the simulator has its own. All calls return at once; what takes time calls back later,
 * never from within the call.
 */
import type { Instant } from '../../base/clock.ts';
import type { AnyBody, Failure, MessageKind } from '../../net/layout.ts';
import type { Tally } from '../../net/tally.ts';
import type { HistoryQuery, HistoryRow } from '../../store/journal.ts';
import type { PeerRole } from './may.ts';
import type { Vault } from './secrets.ts';

/** Who is at the other end: what the record of its public key says. */
export interface Peer {
  readonly role: PeerRole;
  readonly spki: string;
  readonly name: string;
  readonly uid?: string | undefined;
  readonly token?: string | undefined;
  /** Where from, for people: `[fd00::7]:51234`. */
  readonly address: string;
}

/** Answers one request of a peer. After `ok` or `fail` without `more` it is over. */
export interface Replier {
  ack(body: AnyBody): void;
  more(body: AnyBody): void;
  ok(body: AnyBody): void;
  fail(failure: Failure): void;
  /** The peer withdrew the request, or is gone. */
  onDrop(dropped: () => void): void;
  /** The peer raised the credit of this answer to so many bytes in all. */
  onCredit(raised: (credit: number) => void): void;
}

export interface Asked {
  /** Not interested any more. */
  drop(): void;
  credit(bytes: number): void;
}

export interface AskHandlers {
  more?(body: AnyBody): void;
  ok(body: AnyBody): void;
  /** Refused, or the session ended (`errorCode` of `unresponsive`). */
  fail(failure: Failure): void;
}

export interface SessionPort {
  readonly peer: Peer;
  ask(kind: MessageKind, body: AnyBody, handlers: AskHandlers): Asked;
  /** `failure`: what is still open is answered with it first. */
  close(reason: string, failure?: Failure): void;
  /** Last measured round trip of this session, µs. */
  rttUs(): number | undefined;
}

export type { HistoryQuery, HistoryRow };

export interface ServerPorts {
  now(): Instant;
  monotonicMs(): number;
  /** 16 random bytes. */
  key(): Uint8Array;
  /**
   * Hands a record to the journal; it comes back through `entries` once it is durable. `urgent`
   * ones may use the space kept in reserve.
   */
  append(record: Uint8Array, failed: (error: Error) => void, urgent: boolean): void;
  project(rows: readonly HistoryRow[], through: number): void;
  history(query: HistoryQuery, then: (rows: readonly HistoryRow[]) => void): void;
  /** Seals secrets; without it there can be none. */
  readonly vault?: Vault | undefined;
  /** PEM of the CAs that everybody shall trust. */
  readonly authority?: (() => string) | undefined;
  /** Bundles are to be signed by one of these. */
  readonly signers?: ReadonlySet<string> | undefined;
  /** How often each limit was met. */
  readonly tally?: Tally | undefined;
  /** Content that nothing names any more. */
  blobsUnneeded(): void;
  log(level: 'info' | 'warn' | 'error', text: string, facts?: Record<string, unknown>): void;
}

/** Where the journal stands, told to every peer so that a journal that went back is noticed. */
export interface JournalFacts {
  readonly journal: string;
  readonly epoch: number;
}
