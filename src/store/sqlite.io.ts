/**
 * The journal on one server: SQLite in a thread of its own. This side collects what is appended
 * while a commit is under way into the next one (one batch in flight), hands what became durable
 * to the follower, and answers. It never touches the disk for a record.
 *
 * After a commit that failed for any reason but a full disk nothing is tried again: the state is
 * `closed`, and the program is to end and be started anew.
 */

import { assert } from '../base/assert.ts';
import { AppendQueue, answer, type Pending } from './append-queue.ts';
import type { Calls } from './calls.io.ts';
import { Following } from './follower.ts';
import type { JournalCalls, ReadRow } from './journal.thread.io.ts';
import {
  type AppendOptions,
  type Entry,
  type HistoryPrune,
  type HistoryQuery,
  type HistoryRow,
  JournalError,
  type JournalState,
  type Position,
  type ServerJournal,
  type Snapshot,
} from './journal.ts';
import type { Opened } from './journal-writer.io.ts';
import type { JournalOptions } from './open-journal.io.ts';
import { pack, unpack } from './record.ts';
import { refusalOf, wentBack } from './refusal.ts';
import { RowQueue } from './row-queue.ts';
import { SnapshotKeeper } from './snapshot-keeper.io.ts';
import { Turns } from './turns.ts';

/** Rows that no commit takes along are stored alone after this long. */
const rowsAloneMs = 200;
const recoverEveryMs = 500;

export class SqliteJournal implements ServerJournal {
  readonly id: Uint8Array;
  readonly writer: { readonly server: string; readonly epoch: number };
  readonly #calls: Calls<JournalCalls>;
  readonly #options: JournalOptions;
  readonly #writers: Map<number, string>;
  readonly #queue = new AppendQueue();
  readonly #rows: RowQueue;
  readonly #snapshots: SnapshotKeeper;
  readonly #baseSeq: number;
  #head: Position;
  #state: JournalState = 'open';
  #cause: Error | undefined;
  readonly #following = new Following();
  #commit: Promise<void> | undefined;
  #rowsDue = false;
  #closing: Promise<void> | undefined;
  #rowsTimer: NodeJS.Timeout | undefined;
  #fullTimer: NodeJS.Timeout | undefined;
  /** Snapshots and backups, one after the other: a backup's files must not be swept away. */
  readonly #turns = new Turns();

  constructor(options: JournalOptions, calls: Calls<JournalCalls>, opened: Opened) {
    this.#options = options;
    this.#calls = calls;
    this.id = opened.id;
    this.writer = { server: options.server, epoch: opened.epoch };
    this.#writers = new Map(opened.writers);
    this.#head = opened.head;
    this.#baseSeq = opened.base.seq;
    this.#rows = new RowQueue(opened.projected);
    this.#snapshots = new SnapshotKeeper(options.path, calls, options.onWarning ?? (() => {}));
    if (opened.full) this.#enter('full', undefined);
  }

  get head(): Position {
    return this.#head;
  }

  get projected(): number {
    return this.#rows.stored;
  }

  state(): JournalState {
    return this.#state;
  }

  async append(
    records: readonly Uint8Array[],
    options: AppendOptions = {},
  ): Promise<{ first: number; last: number }> {
    if (this.#closing) throw new JournalError('Closed', 'the journal is closed');
    const refusal = this.#refusal(options.urgent ?? false);
    if (refusal) throw refusal;
    const numbers = this.#queue.push(records, options);
    if (!this.#commit) queueMicrotask(() => this.#pump());
    return numbers;
  }

  follow(after: number): AsyncIterable<readonly Entry[]> {
    const source = {
      read: (from: number, limit: number) => this.read(from, limit),
      headSeq: () => this.#head.seq,
      failure: () => (this.#state === 'closed' ? this.#cause : undefined),
    };
    return this.#following.begin(after, source, this.#state === 'closed');
  }

  async read(after: number, limit: number): Promise<readonly Entry[]> {
    const rows = await this.#ask('read', { after, limit });
    return rows.map((row) => this.#entry(row));
  }

  async saveSnapshot(at: Position, body: AsyncIterable<Uint8Array>): Promise<void> {
    assert(at.seq > 0 && at.seq <= this.#head.seq, 'a snapshot is of durable records');
    await this.#turns.take(async () => {
      // Records may go afterwards: their rows cannot be made again.
      await this.#storeRows();
      await this.#snapshots.save(at, body);
    });
  }

  loadSnapshot(): Promise<Snapshot | undefined> {
    return this.#snapshots.load(this.#baseSeq);
  }

  seen(id: Uint8Array, seq: number): boolean {
    if (Buffer.compare(this.id, id) !== 0 || seq <= this.#head.seq) return false;
    this.#enter('went-back', wentBack(this.#options.path, this.#head.seq, seq));
    return true;
  }

  project(rows: readonly HistoryRow[], through: number): void {
    this.#rows.push(rows, through);
    if (rows.length === 0 || this.#rowsTimer) return;
    this.#rowsTimer = setTimeout(() => {
      this.#rowsTimer = undefined;
      this.#rowsDue = true;
      this.#pump();
    }, rowsAloneMs);
  }

  async history(query: HistoryQuery): Promise<HistoryRow[]> {
    await this.#storeRows();
    return this.#ask('history', query);
  }

  async pruneHistory(prune: HistoryPrune): Promise<number> {
    await this.#storeRows();
    const beforeUs = await this.#ask('pruneThreshold', prune);
    if (beforeUs === undefined) return 0;
    for (let removed = 0; ; ) {
      const some = await this.#ask('pruneStep', { kind: prune.kind, beforeUs });
      if (some === 0) return removed;
      removed += some;
    }
  }

  /** Copies the journal of this instant to a path that does not exist; resolves with its end. */
  backup(to: string): Promise<Position> {
    return this.#turns.take(async () => {
      await this.#storeRows();
      return this.#ask('backup', to);
    });
  }

  /** What was appended before is committed; the follower ends. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The thread is gone without being asked. */
  failed(cause: Error): void {
    if (this.#closing) return;
    this.#enter(
      'closed',
      new JournalError('Closed', `the journal failed: ${cause.message}`, { cause }),
    );
  }

  async #close(): Promise<void> {
    await this.#turns.take(async () => {});
    this.#rowsDue = true;
    this.#pump();
    while (this.#commit) await this.#commit;
    clearTimeout(this.#rowsTimer);
    clearInterval(this.#fullTimer);
    this.#queue.reject(this.#refusal(false) ?? new JournalError('Closed', 'the journal is closed'));
    if (this.#state !== 'closed') await this.#calls.call('close', undefined);
    this.#state = 'closed';
    await this.#calls.end();
    this.#following.follower?.end();
  }

  /** Sends the next batch, unless one is on its way. */
  #pump(): void {
    if (this.#commit || this.#state === 'closed' || this.#state === 'fenced') return;
    const batch = this.#queue.take();
    const withRows = this.#state === 'open' && (batch.length > 0 || this.#rowsDue);
    const { rows, through } = withRows ? this.#rows.take() : { rows: [], through: 0 };
    this.#rowsDue = this.#rowsDue && this.#rows.length > 0;
    // A marker alone goes along with the next commit, or with the last one.
    if (batch.length === 0 && rows.length === 0 && (through === 0 || !this.#closing)) {
      this.#rows.back(rows);
      return;
    }
    this.#commit = this.#send(batch, rows, through);
  }

  async #send(batch: Pending[], rows: readonly HistoryRow[], through: number): Promise<void> {
    const records = batch.flatMap((pending) => pending.records);
    const packed = records.length === 0 ? undefined : pack(records);
    const moving = packed ? [packed.bytes.buffer, packed.ends.buffer] : [];
    try {
      const reply = await this.#calls.call('commit', { packed, rows, through }, moving);
      this.#rows.done(through);
      if (reply.packed) this.#settle(batch, reply.crcs, [...unpack(reply.packed)]);
    } catch (error) {
      this.#rows.back(rows);
      this.#refuse(batch, error as Error);
    }
    this.#commit = undefined;
    this.#pump();
  }

  #settle(batch: readonly Pending[], crcs: Uint32Array, recs: readonly Uint8Array[]): void {
    const before = this.#head.seq;
    this.#head = { seq: before + recs.length, crc: crcs.at(-1) ?? this.#head.crc };
    const { server: writer, epoch } = this.writer;
    const entry = (rec: Uint8Array, index: number): Entry => {
      return { seq: before + index + 1, crc: crcs[index] ?? 0, writer, epoch, rec };
    };
    if (this.#following.follower) this.#following.follower.offer(recs.map(entry));
    answer(batch, before, this.#following.follower);
  }

  #refuse(batch: readonly Pending[], error: Error): void {
    const fault = error instanceof JournalError ? error.fault : undefined;
    const certain = fault === 'Full' || fault === 'Fenced' || fault === 'Closed';
    const said = certain ? error : new JournalError('Unknown', error.message, { cause: error });
    for (const { reject } of batch) reject(said);
    if (fault === 'Full') this.#enter('full', error);
    else if (fault === 'Fenced') this.#enter('fenced', error);
    else this.failed(error);
  }

  #enter(state: JournalState, cause: Error | undefined): void {
    const ended = this.#state === 'closed' || this.#state === 'fenced';
    if (ended || (this.#state === 'went-back' && state !== 'closed')) return;
    const changed = this.#state !== state;
    this.#state = state;
    this.#cause = cause;
    const refusal = this.#refusal(false);
    if (refusal) this.#queue.reject(refusal, ({ urgent }) => state !== 'full' || !urgent);
    if (state === 'full')
      this.#fullTimer ??= setInterval(() => void this.#recover(), recoverEveryMs);
    if (state === 'closed' || state === 'fenced') this.#following.follower?.end();
    if (changed) this.#options.onState?.(state, cause);
  }

  async #recover(): Promise<void> {
    if (this.#state !== 'full') return;
    const room = await this.#calls.call('recover', undefined).catch(() => false);
    // It may have become worse meanwhile.
    if (!room || this.state() !== 'full') return;
    clearInterval(this.#fullTimer);
    this.#fullTimer = undefined;
    this.#enter('open', undefined);
    this.#rowsDue = true;
    this.#pump();
  }

  #refusal(urgent: boolean): Error | undefined {
    if (this.#state === 'open' || (this.#state === 'full' && urgent)) return undefined;
    return this.#cause ?? refusalOf(this.#state, this.#options.path);
  }

  /** Everything given to `project` until now is in the database, as far as there is space. */
  async #storeRows(): Promise<void> {
    while (this.#state === 'open' && (this.#rows.length > 0 || this.#rows.flying)) {
      this.#rowsDue = true;
      this.#pump();
      await this.#commit;
    }
  }

  #ask: Calls<JournalCalls>['call'] = (kind, argument) => {
    if (this.#state === 'closed') return Promise.reject(this.#refusal(false) ?? new Error());
    return this.#calls.call(kind, argument);
  };

  #entry([seq, crc, epoch, rec]: ReadRow): Entry {
    return { seq, crc, epoch, rec, writer: this.#writers.get(epoch) ?? '' };
  }
}
