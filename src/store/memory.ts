/**
 * The simulator's journal: the same promise, kept by memory that only changes when told to.
 *
 * Nothing is durable before `flush`; a crash keeps what was flushed, and as much of the rest as
 * the scenario says (what was written, but not yet acknowledged). No timer, no randomness: the
 * same calls in the same order give the same journal. `MemoryDisk` is what outlives a crash.
 */

import { assert } from '../base/assert.ts';
import { AppendQueue, answer, type Pending } from './append-queue.ts';
import { Following } from './follower.ts';
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
import type { MemoryDisk } from './memory-disk.ts';
import { refusalOf, wentBack } from './refusal.ts';
import { RowQueue } from './row-queue.ts';

export interface MemoryOptions {
  readonly server?: string | undefined;
  readonly acceptLoss?: boolean | undefined;
  /** Flushes by itself, a microtask after each append; otherwise only `flush` does. */
  readonly autoFlush?: boolean | undefined;
  readonly onState?: ((state: JournalState, cause: Error | undefined) => void) | undefined;
}

export function openMemoryJournal(disk: MemoryDisk, options: MemoryOptions = {}): MemoryJournal {
  const { server = 'memory' } = options;
  if (disk.head.seq < disk.witnessSeq && !options.acceptLoss) {
    throw wentBack(disk.path, disk.head.seq, disk.witnessSeq);
  }
  if (options.acceptLoss) disk.acceptLoss();
  return new MemoryJournal(disk, server, options);
}

export class MemoryJournal implements ServerJournal {
  readonly id: Uint8Array;
  readonly writer: { readonly server: string; readonly epoch: number };
  readonly #disk: MemoryDisk;
  readonly #options: MemoryOptions;
  readonly #queue = new AppendQueue();
  readonly #rows: RowQueue;
  #head: Position;
  #state: JournalState = 'open';
  #cause: Error | undefined;
  readonly #following = new Following();
  #flushing = false;
  #crashed = false;

  constructor(disk: MemoryDisk, server: string, options: MemoryOptions) {
    this.#disk = disk;
    this.#options = options;
    this.id = disk.id;
    this.writer = { server, epoch: disk.takeEpoch(server) };
    this.#head = disk.head;
    this.#rows = new RowQueue(disk.projected);
    disk.witnessSeq = this.#head.seq;
  }

  get head(): Position {
    return this.#head;
  }

  get projected(): number {
    return this.#rows.stored;
  }

  /** Appends that wait for a flush. */
  get waiting(): number {
    return this.#queue.length;
  }

  state(): JournalState {
    if (this.#state === 'full' && !this.#disk.full) this.#enter('open', undefined);
    return this.#state;
  }

  async append(
    records: readonly Uint8Array[],
    options: AppendOptions = {},
  ): Promise<{ first: number; last: number }> {
    const state = this.state();
    if (state !== 'open' && !(state === 'full' && options.urgent)) throw this.#refusal();
    const numbers = this.#queue.push(records, options);
    if (this.#options.autoFlush && !this.#flushing) {
      this.#flushing = true;
      queueMicrotask(() => {
        this.#flushing = false;
        this.flush();
      });
    }
    return numbers;
  }

  /** Makes durable what was appended and projected until now, and answers it. */
  flush(): void {
    if (this.#state === 'closed' || this.#state === 'fenced') return;
    do this.#commit(this.#queue.take());
    while (this.#queue.length > 0);
  }

  /**
   * The process dies here: nothing is answered any more. The first `keepRecords` records that were
   * not flushed reached the disk all the same; an append is never cut apart.
   */
  crash(keepRecords = 0): void {
    let left = keepRecords;
    for (const { records } of this.#queue.take()) {
      left -= records.length;
      if (left < 0) break;
      for (const rec of records) this.#disk.write(rec, this.writer.epoch);
    }
    this.#crashed = true;
    this.#state = 'closed';
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
    if (this.#state === 'closed') throw this.#refusal();
    return this.#disk.read(after, Math.min(limit, 1_024), this.#head.seq);
  }

  async saveSnapshot(at: Position, body: AsyncIterable<Uint8Array>): Promise<void> {
    assert(at.seq > 0 && at.seq <= this.#head.seq, 'a snapshot is of durable records');
    this.#commit([]);
    const slices: Uint8Array[] = [];
    for await (const slice of body) slices.push(new Uint8Array(slice));
    if (this.#crashed) return;
    if (this.#state === 'closed') throw this.#refusal();
    this.#disk.addSnapshot(at, slices);
  }

  async loadSnapshot(): Promise<Snapshot | undefined> {
    return this.#disk.loadSnapshot();
  }

  seen(id: Uint8Array, seq: number): boolean {
    if (Buffer.compare(this.id, id) !== 0 || seq <= this.#head.seq) return false;
    this.#enter('went-back', wentBack(this.#disk.path, this.#head.seq, seq));
    return true;
  }

  project(rows: readonly HistoryRow[], through: number): void {
    this.#rows.push(rows, through);
  }

  async history(query: HistoryQuery): Promise<HistoryRow[]> {
    this.#commit([]);
    return this.#disk.history(query);
  }

  async pruneHistory(prune: HistoryPrune): Promise<number> {
    this.#commit([]);
    return this.#disk.pruneHistory(prune);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'closed') return;
    this.flush();
    this.#enter('closed', undefined);
  }

  #commit(batch: readonly Pending[]): void {
    if (this.#crashed || this.#state === 'closed') return;
    if (this.#disk.epoch !== this.writer.epoch) {
      const error = new JournalError('Fenced', `another server has taken over ${this.#disk.path}`);
      this.#refuse(batch, error, 'fenced');
      return;
    }
    const { rows, through } = this.#rows.take();
    if (batch.length === 0 && rows.length === 0 && through === 0) return;
    const fault = this.#disk.faultOf(batch.length > 0 && batch.every(({ urgent }) => urgent));
    if (fault) {
      this.#rows.back(rows);
      const full = fault.fault === 'Full';
      this.#refuse(batch, fault, full ? 'full' : 'closed');
      return;
    }
    const before = this.#head.seq;
    const entries: Entry[] = [];
    const { server: writer, epoch } = this.writer;
    for (const rec of batch.flatMap(({ records }) => records)) {
      this.#disk.write(rec, epoch);
      entries.push({ ...this.#disk.head, writer, epoch, rec });
    }
    this.#disk.store(rows, through);
    this.#rows.done(through);
    this.#head = this.#disk.head;
    this.#disk.witnessSeq = this.#head.seq;
    this.#following.follower?.offer(entries);
    answer(batch, before, this.#following.follower);
  }

  #refuse(batch: readonly Pending[], error: JournalError, state: JournalState): void {
    for (const { reject } of batch) reject(error);
    this.#enter(state, error);
  }

  #enter(state: JournalState, cause: Error | undefined): void {
    const ended = this.#state === 'closed' || this.#state === 'fenced';
    if (ended || (this.#state === 'went-back' && state !== 'closed')) return;
    const changed = this.#state !== state;
    this.#state = state;
    this.#cause = cause;
    if (state !== 'open') {
      this.#queue.reject(this.#refusal(), ({ urgent }) => state !== 'full' || !urgent);
    }
    if (state === 'closed' || state === 'fenced') this.#following.follower?.end();
    if (changed) this.#options.onState?.(state, cause);
  }

  #refusal(): Error {
    return this.#cause ?? refusalOf(this.#state, this.#disk.path);
  }
}
