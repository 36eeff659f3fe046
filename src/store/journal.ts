/**
 * The journal: one ordered log of everything that changes the server's state, and beside it the
 * history that people read. This file is the whole of what the rest of LOTC knows about it; which
 * engine keeps it (SQLite here, the simulator's memory, one day several servers) is not said.
 *
 * The promise: when `append` resolves, its records are durable, numbered without gaps, and have
 * been through `follow`. If one append resolved before another was called, its numbers are lower.
 * Whatever may have been lost is noticed (each record is chained to the one before by checksum,
 * and a witness beside the journal knows how far it went) and never papered over.
 */

import { type ErrorCode, LotcError } from '../base/errors.ts';

/** The last record something speaks of, and the chain's checksum there. Seq 0 is the beginning. */
export interface Position {
  readonly seq: number;
  readonly crc: number;
}

export interface Entry {
  readonly seq: number;
  readonly crc: number;
  readonly writer: string;
  readonly epoch: number;
  readonly rec: Uint8Array;
}

export type JournalState =
  | 'open'
  /** No majority of the engine's servers can be reached. */
  | 'stalled'
  /** No space: appends are refused until there is some again. */
  | 'full'
  /** Somebody has seen more of this journal than is here. */
  | 'went-back'
  | 'forked'
  /** A newer writer of the same name has the journal. */
  | 'fenced'
  | 'closed';

export interface AppendOptions {
  /** Withdraws records that are not on their way yet; later it has no effect. */
  readonly signal?: AbortSignal | undefined;
  /** May use the space kept in reserve: what stops work, and what ends of work is reported. */
  readonly urgent?: boolean | undefined;
}

export interface Snapshot {
  readonly at: Position;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface Journal extends AsyncDisposable {
  /** 128 bit, random at creation; another id is another history. */
  readonly id: Uint8Array;
  readonly writer: { readonly server: string; readonly epoch: number };
  /** The last record known to be durable here. */
  readonly head: Position;
  /**
   * Durable and ordered when it resolves; all of the records or none, contiguous. Resolves in the
   * order of the numbers, after the loop over `follow` has come back for more: that loop must
   * never wait for an append. The bytes must not be changed afterwards. Rejects with JournalError.
   */
  append(
    records: readonly Uint8Array[],
    options?: AppendOptions,
  ): Promise<{ first: number; last: number }>;
  /** Every record after `after`, once, in order: history, then live, until closed. One at a time. */
  follow(after: number): AsyncIterable<readonly Entry[]>;
  /** A page of the records after `after` that are still here. */
  read(after: number, limit: number): Promise<readonly Entry[]>;
  /** Atomic. Afterwards records up to the snapshot before this one may be gone. */
  saveSnapshot(at: Position, body: AsyncIterable<Uint8Array>): Promise<void>;
  /** The newest whose checksum holds. */
  loadSnapshot(): Promise<Snapshot | undefined>;
  state(): JournalState;
  /** A peer has seen record `seq` of history `id`; if it is not here, the journal went back. */
  seen(id: Uint8Array, seq: number): boolean;
}

export type HistoryKind = 'event' | 'run' | 'operation' | 'fire' | 'audit';

export interface HistoryRow {
  /** The record it was made from, and its number among the rows of that record. */
  readonly seq: number;
  readonly n: number;
  readonly kind: HistoryKind;
  /** True time, µs. */
  readonly at: number;
  readonly task?: string | undefined;
  readonly node?: string | undefined;
  readonly run?: string | undefined;
  readonly operation?: string | undefined;
  readonly schedule?: string | undefined;
  /** Of its kind there is one row with this name: the newest of the node that had it first. */
  readonly name?: string | undefined;
  readonly body: Uint8Array;
}

export interface HistoryQuery {
  readonly kind: HistoryKind;
  readonly task?: string | undefined;
  readonly node?: string | undefined;
  readonly run?: string | undefined;
  readonly operation?: string | undefined;
  readonly schedule?: string | undefined;
  readonly sinceUs?: number | undefined;
  /** Bounds of `seq`, both exclusive: a page is continued from the last row of the one before. */
  readonly afterSeq?: number | undefined;
  readonly beforeSeq?: number | undefined;
  /** At most 1,000; the rows of one record are never cut apart unless it alone has more. */
  readonly limit: number;
  readonly newestFirst?: boolean | undefined;
}

export interface HistoryPrune {
  readonly kind: HistoryKind;
  readonly beforeUs?: number | undefined;
  /** So many of the newest rows stay, whatever their age says. */
  readonly keep?: number | undefined;
}

/** What people read: derived from the records, kept by its own rules, never doubled. */
export interface History {
  /** Rows of records up to here are stored; replay regenerates those of the records after it. */
  readonly projected: number;
  /**
   * Queues the rows of every record up to `through` that were not given before. They are stored
   * with the next commit, or alone when none comes; the marker in the same transaction.
   */
  project(rows: readonly HistoryRow[], through: number): void;
  /** Sees every row given to `project` before. */
  history(query: HistoryQuery): Promise<HistoryRow[]>;
  /** Removes in small steps what `keep` does not protect and `beforeUs` does not spare. */
  pruneHistory(prune: HistoryPrune): Promise<number>;
}

export type ServerJournal = Journal & History;

const faults = {
  Fenced: 'locked',
  Full: 'disk-full',
  WentBack: 'read-only',
  Closed: 'io',
  Unknown: 'unreachable',
  Damaged: 'damaged',
  Locked: 'locked',
  TooLarge: 'too-large',
  Empty: 'internal',
  Aborted: 'cancelled',
  Truncated: 'damaged',
  Unsupported: 'unsupported',
} as const satisfies Record<string, ErrorCode>;

export type JournalFault = keyof typeof faults;

/** Why the journal says no. Only `Unknown` leaves open whether the records are in it. */
export class JournalError extends LotcError {
  readonly fault: JournalFault;

  constructor(
    fault: JournalFault,
    message: string,
    details: { hint?: string | undefined; cause?: unknown } = {},
  ) {
    super(faults[fault], message, details);
    this.name = 'JournalError';
    this.fault = fault;
  }
}
