/**
 * The journal's writer thread: one connection that writes, one that reads, calls taken in order.
 * A commit blocks this thread for as long as the disk takes, and nobody else. Work that is not
 * urgent (checkpoint, the witness's sync) is done once a second, or when the log grew long.
 */

import { limits } from '../base/limits.ts';
import { copyJournal } from './backup.io.ts';
import { Moved, serve } from './calls.io.ts';
import { pruneStep, pruneThreshold, queryRows } from './history.io.ts';
import type { HistoryPrune, HistoryQuery, Position } from './journal.ts';
import {
  type CommitRequest,
  JournalWriter,
  type Opened,
  type OpenRequest,
} from './journal-writer.io.ts';
import { type SnapshotRow, setMeta, snapshotRows } from './layout.io.ts';

const idleMs = 1_000;
/** Small enough that a commit in between waits some 2 ms for it. */
const truncateRows = 2_000;
const pageBytes = 1 << 20;

export type ReadRow = readonly [seq: number, crc: number, epoch: number, rec: Uint8Array];

/** Only for its type: what the main thread can ask. */
export type JournalCalls = ReturnType<typeof handlers>;

function handlers(notice: (text: string) => void) {
  let opened: JournalWriter | undefined;
  const writer = (): JournalWriter => {
    if (!opened) throw new Error('the journal is not open');
    return opened;
  };
  return {
    open(request: OpenRequest): Opened {
      opened = new JournalWriter(request);
      startIdle(opened, notice);
      return opened.opened;
    },
    commit(request: CommitRequest) {
      const crcs = writer().commit(request);
      const { packed } = request;
      const buffers = packed ? [packed.bytes.buffer, packed.ends.buffer] : [];
      return new Moved({ crcs, packed }, [crcs.buffer, ...buffers]);
    },
    read: ({ after, limit }: { after: number; limit: number }) => readPage(writer(), after, limit),
    history: (query: HistoryQuery) => queryRows(writer().reader, query),
    pruneThreshold: (prune: HistoryPrune) => pruneThreshold(writer().reader, prune),
    pruneStep: ({ kind, beforeUs }: Required<Pick<HistoryPrune, 'kind'>> & { beforeUs: number }) =>
      writer().write((db) => pruneStep(db, kind, beforeUs)),
    snapshots: (): SnapshotRow[] => snapshotRows(writer().reader),
    addSnapshot: (row: SnapshotRow) => addSnapshot(writer(), row),
    dropSnapshots: (seqs: readonly number[]): void =>
      writer().write((db) => {
        for (const seq of seqs) db.prepare('DELETE FROM snapshot WHERE seq = ?').run(seq);
      }),
    truncateStep: (through: number): Position | undefined => truncateStep(writer(), through),
    /** True when there is space again, and the reserve is whole. */
    recover: () => writer().reserve.ensure(),
    backup: (to: string) => copyJournal(writer().path, to),
    close(): void {
      opened?.checkpoint();
      opened?.close();
    },
  };
}

export function run(): void {
  serve(handlers);
}

function readPage(writer: JournalWriter, after: number, limit: number): ReadRow[] {
  const query = writer.reader.prepare(
    'SELECT seq, crc, epoch, rec FROM journal WHERE seq > ? ORDER BY seq LIMIT ?',
  );
  query.setReturnArrays(true);
  const rows: ReadRow[] = [];
  let bytes = 0;
  for (const row of query.iterate(
    after,
    Math.min(limit, limits.journalBatchRecords),
  ) as unknown as Iterable<ReadRow>) {
    rows.push(row);
    bytes += row[3].length;
    if (bytes >= pageBytes) break;
  }
  return rows;
}

function addSnapshot(writer: JournalWriter, row: SnapshotRow): void {
  const { seq, crc, sha256, bytes, file } = row;
  writer.write((db) => {
    db.prepare(`INSERT OR REPLACE INTO snapshot(seq, crc, sha256, bytes, at, file)
      VALUES (?, ?, ?, ?, ?, ?)`).run(seq, crc, sha256, bytes, Date.now() * 1_000, file);
  });
}

/** Removes the oldest records, at most so many; undefined when there was nothing to remove. */
function truncateStep(writer: JournalWriter, through: number): Position | undefined {
  return writer.write((db) => {
    const oldest = db.prepare('SELECT seq FROM journal ORDER BY seq LIMIT 1').get();
    if (!oldest || Number(oldest['seq']) > through) return undefined;
    const last = Math.min(through, Number(oldest['seq']) + truncateRows - 1);
    const row = db.prepare('SELECT crc FROM journal WHERE seq = ?').get(last);
    db.prepare('DELETE FROM journal WHERE seq <= ?').run(last);
    const base = { seq: last, crc: Number(row?.['crc']) };
    setMeta(db, 'base_seq', base.seq);
    setMeta(db, 'base_crc', base.crc);
    return base;
  });
}

function startIdle(writer: JournalWriter, notice: (text: string) => void): void {
  let low = false;
  const timer = setInterval(() => {
    writer.idle();
    const free = writer.reserve.freeBytes();
    if (free < limits.lowDiskBytes && !low) {
      notice(`only ${Math.floor(free / (1 << 20))} MiB are left on the disk of ${writer.path}`);
    }
    low = free < limits.lowDiskBytes;
  }, idleMs);
  timer.unref();
}
