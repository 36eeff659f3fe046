/**
 * The one reader that every record of a journal passes through, in order: first from the
 * journal's pages, then live. It decides when an append may be answered: once the reader has come
 * back for more, because then the record has been applied.
 *
 * What is live waits here only up to a bound; a reader that falls further behind gets its records
 * from the journal's pages again, so a slow one costs memory for one page.
 */

import { assert } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import { type Entry, JournalError } from './journal.ts';

export interface FollowSource {
  read(after: number, limit: number): Promise<readonly Entry[]>;
  headSeq(): number;
  /** Why reading cannot go on, if the journal ended badly. */
  failure(): Error | undefined;
}

interface Waiting {
  readonly seq: number;
  readonly release: () => void;
}

export class Follower implements AsyncIterator<readonly Entry[]> {
  readonly #source: FollowSource;
  readonly #onEnd: () => void;
  #given: number;
  #done: number;
  #live: (readonly Entry[])[] = [];
  #liveRecords = 0;
  #liveBytes = 0;
  #waiting: Waiting[] = [];
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(after: number, source: FollowSource, onEnd: () => void) {
    this.#given = after;
    this.#done = after;
    this.#source = source;
    this.#onEnd = onEnd;
  }

  /** A batch became durable. */
  offer(entries: readonly Entry[]): void {
    const first = entries[0];
    if (this.#ended || !first) return;
    const next = this.#live.at(-1)?.at(-1)?.seq ?? this.#given;
    if (first.seq === next + 1) {
      this.#live.push(entries);
      this.#liveRecords += entries.length;
      for (const { rec } of entries) this.#liveBytes += rec.length;
    }
    const most = { records: 4 * limits.journalBatchRecords, bytes: 8 * limits.journalBatchBytes };
    if (this.#liveRecords > most.records || this.#liveBytes > most.bytes) this.#dropLive();
    this.#wake?.();
  }

  /** Calls `release` once the record `seq` was delivered and the reader came back. */
  after(seq: number, release: () => void): void {
    if (this.#ended || seq <= this.#done) release();
    else this.#waiting.push({ seq, release });
  }

  /** The journal is closed: the reader ends, what waited for it is answered. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#dropLive();
    for (const { release } of this.#waiting.splice(0)) release();
    this.#wake?.();
    this.#onEnd();
  }

  async next(): Promise<IteratorResult<readonly Entry[], undefined>> {
    this.#done = this.#given;
    this.#release();
    while (!this.#ended) {
      const entries = this.#takeLive() ?? (await this.#readPage());
      if (entries) return { value: entries, done: false };
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      if (!this.#ended && this.#live.length === 0) await promise;
      this.#wake = undefined;
    }
    const failure = this.#source.failure();
    if (failure) throw failure;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<readonly Entry[], undefined>> {
    this.end();
    return { value: undefined, done: true };
  }

  #takeLive(): readonly Entry[] | undefined {
    const entries = this.#live.shift();
    if (!entries) return undefined;
    this.#liveRecords -= entries.length;
    for (const { rec } of entries) this.#liveBytes -= rec.length;
    this.#give(entries);
    return entries;
  }

  async #readPage(): Promise<readonly Entry[] | undefined> {
    if (this.#given >= this.#source.headSeq()) return undefined;
    const entries = await this.#source.read(this.#given, limits.journalBatchRecords);
    if (this.#ended) return undefined;
    if (entries[0]?.seq !== this.#given + 1) {
      throw new JournalError('Truncated', `record ${this.#given + 1} is no longer in the journal`, {
        hint: 'start from a snapshot',
      });
    }
    this.#give(entries);
    // What was offered meanwhile and is part of this page must not come twice.
    this.#dropLive();
    return entries;
  }

  #give(entries: readonly Entry[]): void {
    assert(entries[0]?.seq === this.#given + 1, 'follow has no gap');
    this.#given = entries.at(-1)?.seq ?? this.#given;
  }

  #release(): void {
    while (this.#waiting[0] && this.#waiting[0].seq <= this.#done) this.#waiting.shift()?.release();
  }

  #dropLive(): void {
    this.#live = [];
    this.#liveRecords = 0;
    this.#liveBytes = 0;
  }
}

/** A journal's place for its one follower. */
export class Following {
  follower: Follower | undefined;

  begin(after: number, source: FollowSource, closed: boolean): AsyncIterable<readonly Entry[]> {
    assert(this.follower === undefined, 'a journal has one follower');
    const follower = new Follower(after, source, () => {
      this.follower = undefined;
    });
    this.follower = follower;
    if (closed) follower.end();
    return { [Symbol.asyncIterator]: () => follower };
  }
}
