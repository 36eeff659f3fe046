/** What of the simulator's journal outlives a crash, and the ways to let it fail. */

import {
  type Entry,
  type HistoryPrune,
  type HistoryQuery,
  type HistoryRow,
  JournalError,
  type Position,
  type Snapshot,
} from './journal.ts';
import { chain } from './record.ts';

interface Kept {
  readonly at: Position;
  readonly slices: readonly Uint8Array[];
  torn: boolean;
}

export class MemoryDisk {
  readonly path: string;
  id: Uint8Array;
  epoch = 0;
  head: Position = { seq: 0, crc: 0 };
  projected = 0;
  witnessSeq = 0;
  /** Commits find no space; the reserve is there for urgent ones until `reserve` is 0. */
  full = false;
  /** Urgent commits that still fit while the disk is full. */
  reserve = 0;
  /** The position before the first record that is here. */
  #base: Position = { seq: 0, crc: 0 };
  #records: Entry[] = [];
  #writers = new Map<number, string>();
  #snapshots: Kept[] = [];
  #rows: HistoryRow[] = [];
  #failIn = 0;

  constructor(id: Uint8Array, path = 'memory') {
    this.id = id;
    this.path = path;
  }

  /** The n-th commit from now fails for good, as a sync that the disk refused. */
  failCommit(n: number): void {
    this.#failIn = n;
  }

  /** The last records are gone without a word, as after a torn log. */
  loseTail(records: number): void {
    this.#records.splice(Math.max(0, this.#records.length - records));
    const last = this.#records.at(-1);
    this.head = last ? { seq: last.seq, crc: last.crc } : this.#base;
    this.projected = Math.min(this.projected, this.head.seq);
    this.#rows = this.#rows.filter(({ seq }) => seq <= this.head.seq);
  }

  /** The newest snapshot does not match its checksum any more. */
  tearSnapshot(): void {
    const newest = this.#snapshots[0];
    if (newest) newest.torn = true;
  }

  /** The same disk as of now, for a later restore. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk(this.id, this.path);
    copy.epoch = this.epoch;
    copy.head = this.head;
    copy.projected = this.projected;
    copy.witnessSeq = this.witnessSeq;
    copy.#base = this.#base;
    copy.#records = [...this.#records];
    copy.#writers = new Map(this.#writers);
    copy.#snapshots = this.#snapshots.map((kept) => ({ ...kept }));
    copy.#rows = [...this.#rows];
    return copy;
  }

  takeEpoch(server: string): number {
    this.epoch += 1;
    this.#writers.set(this.epoch, server);
    return this.epoch;
  }

  /** A new history of what is there; its id is made of the old one, to stay the same each time. */
  acceptLoss(): void {
    this.id = this.id.map((byte, index) => (index === 0 ? (byte + 1) & 0xff : byte));
    this.witnessSeq = this.head.seq;
  }

  /** Why a commit would fail now. */
  faultOf(urgent: boolean): JournalError | undefined {
    if (this.#failIn > 0) {
      this.#failIn -= 1;
      if (this.#failIn === 0) return new JournalError('Unknown', `a commit to ${this.path} failed`);
    }
    if (!this.full) return undefined;
    if (urgent && this.reserve > 0) {
      this.reserve -= 1;
      return undefined;
    }
    return new JournalError('Full', `no space left for ${this.path}`);
  }

  write(rec: Uint8Array, epoch: number): void {
    const crc = chain(rec, this.head.crc);
    const writer = this.#writers.get(epoch) ?? '';
    this.head = { seq: this.head.seq + 1, crc };
    this.#records.push({ ...this.head, writer, epoch, rec });
  }

  read(after: number, limit: number, upTo: number): Entry[] {
    const from = Math.max(0, after - this.#base.seq);
    return this.#records.slice(from, Math.min(from + limit, upTo - this.#base.seq));
  }

  store(rows: readonly HistoryRow[], through: number): void {
    const named = new Map<string, HistoryRow>();
    for (const row of this.#rows)
      if (row.name !== undefined) named.set(`${row.kind} ${row.name}`, row);
    const gone = new Set<HistoryRow>();
    for (const row of rows) {
      const key = `${row.kind} ${row.name}`;
      const before = row.name === undefined ? undefined : named.get(key);
      if (before && before.node !== row.node) continue;
      if (before) gone.add(before);
      if (row.name !== undefined) named.set(key, row);
      this.#rows.push(row);
    }
    if (gone.size > 0) this.#rows = this.#rows.filter((row) => !gone.has(row));
    this.#rows.sort((left, right) => left.seq - right.seq || left.n - right.n);
    this.projected = Math.max(this.projected, through);
  }

  addSnapshot(at: Position, slices: readonly Uint8Array[]): void {
    const good = this.#snapshots.filter(({ torn, at: { seq } }) => !torn && seq !== at.seq);
    this.#snapshots = [{ at, slices, torn: false }, ...good]
      .sort((left, right) => right.at.seq - left.at.seq)
      .slice(0, 2);
    const before = this.#snapshots[1]?.at;
    if (!before || before.seq <= this.#base.seq) return;
    this.#records = this.#records.filter(({ seq }) => seq > before.seq);
    this.#base = before;
  }

  loadSnapshot(): Snapshot | undefined {
    const good = this.#snapshots.find(({ torn }) => !torn);
    if (!good) {
      if (this.#base.seq === 0) return undefined;
      throw new JournalError('Damaged', `${this.path} has no usable snapshot`);
    }
    const { at, slices } = good;
    const body = async function* (): AsyncGenerator<Uint8Array> {
      yield* slices;
    };
    return { at, body: body() };
  }

  history(query: HistoryQuery): HistoryRow[] {
    const { kind, task, node, run, operation, schedule, sinceUs, afterSeq, beforeSeq } = query;
    const rows = this.#rows.filter(
      (row) =>
        row.kind === kind &&
        (task === undefined || row.task === task) &&
        (node === undefined || row.node === node) &&
        (run === undefined || row.run === run) &&
        (operation === undefined || row.operation === operation) &&
        (schedule === undefined || row.schedule === schedule) &&
        (sinceUs === undefined || row.at >= sinceUs) &&
        (afterSeq === undefined || row.seq > afterSeq) &&
        (beforeSeq === undefined || row.seq < beforeSeq),
    );
    if (query.newestFirst) rows.reverse();
    const limit = Math.max(1, Math.min(query.limit, 1_000));
    const cut = rows[limit]?.seq;
    if (cut === undefined) return rows;
    const whole = rows.slice(0, limit).filter(({ seq }) => seq !== cut);
    return whole.length > 0 ? whole : rows.filter(({ seq }) => seq === cut);
  }

  pruneHistory({ kind, beforeUs, keep }: HistoryPrune): number {
    const instants = this.#rows.filter((row) => row.kind === kind).map(({ at }) => at);
    instants.sort((left, right) => right - left);
    const oldestKept = keep === 0 ? Infinity : keep === undefined ? Infinity : instants[keep - 1];
    if (oldestKept === undefined || (keep === undefined && beforeUs === undefined)) return 0;
    const before = Math.min(oldestKept, beforeUs ?? Infinity);
    const left = this.#rows.filter((row) => row.kind !== kind || row.at >= before);
    const removed = this.#rows.length - left.length;
    this.#rows = left;
    return removed;
  }
}
