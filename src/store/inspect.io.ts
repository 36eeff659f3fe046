/**
 * Reads a journal without changing a byte of it and says what is there: whether the chain holds,
 * whether the witness knows of more, whether the log's tail was cut. It decides nothing.
 *
 * A read-only connection leaves the write-ahead log as it is, even at its end, so that a journal
 * that is refused can still be examined as the accident left it.
 */

import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { checkHeader, inWords, isFresh, pragma } from './database.io.ts';
import { JournalError, type Position } from './journal.ts';
import {
  journalSpec,
  meta,
  metaNumber,
  readWitness,
  type SnapshotRow,
  snapshotRows,
} from './layout.io.ts';
import { chain, type Witness } from './record.ts';

export interface Break {
  readonly seq: number;
  readonly why: string;
}

export interface Inspection {
  readonly id: Uint8Array;
  readonly previousId: Uint8Array | undefined;
  readonly epoch: number;
  /** The position before the first record that is here. */
  readonly base: Position;
  /** The last record up to which the chain holds. */
  readonly head: Position;
  readonly broken: Break | undefined;
  /** SQLite dropped unfinished frames at the end of its log. */
  readonly torn: boolean;
  readonly witness: Witness | 'missing' | 'torn';
  readonly snapshots: readonly SnapshotRow[];
}

/** Undefined where no journal was ever begun; throws where only the witness of one is left. */
export function inspectJournal(path: string): Inspection | undefined {
  if (!existsSync(path) || statSync(path).size === 0) {
    const witness = readWitness(path);
    if (typeof witness === 'string' || witness.seq === 0) return undefined;
    const text = `${path} is gone, but was known to reach record ${witness.seq}`;
    throw new JournalError('WentBack', text, { hint: 'restore it from a backup' });
  }
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    if (isFresh(db)) return undefined;
    checkHeader(db, path, journalSpec);
    const id = meta(db, 'id');
    // Created, and cut off before its first opening was over: nothing was ever written to it.
    if (!(id instanceof Uint8Array)) return undefined;
    const previousId = meta(db, 'previous_id');
    const base = { seq: metaNumber(db, 'base_seq'), crc: metaNumber(db, 'base_crc') };
    const { head, broken } = walkChain(db, base);
    return {
      ...{ id, base, head, broken, epoch: metaNumber(db, 'epoch') },
      previousId: previousId instanceof Uint8Array ? previousId : undefined,
      torn: isTailTorn(db, path),
      witness: readWitness(path),
      snapshots: snapshotRows(db),
    };
  } catch (error) {
    throw inWords(error, path);
  } finally {
    db.close();
  }
}

/** Follows the chain from `base` to its end or to the first record that does not fit. */
export function walkChain(
  db: DatabaseSync,
  base: Position,
): { head: Position; broken: Break | undefined } {
  const query = db.prepare(
    'SELECT seq, crc, rec FROM journal WHERE seq > ? ORDER BY seq LIMIT 1024',
  );
  query.setReturnArrays(true);
  let { seq, crc } = base;
  for (;;) {
    const rows = query.all(seq) as unknown as [number, number, Uint8Array][];
    if (rows.length === 0) return { head: { seq, crc }, broken: undefined };
    for (const [rowSeq, rowCrc, rec] of rows) {
      const head = { seq, crc };
      if (rowSeq !== seq + 1) {
        const why = `record ${seq + 1} is missing`;
        return { head, broken: { seq: seq + 1, why } };
      }
      const computed = chain(rec, crc);
      if (computed !== rowCrc) {
        const why = `record ${rowSeq} does not match its checksum`;
        return { head, broken: { seq: rowSeq, why } };
      }
      seq = rowSeq;
      crc = computed;
    }
  }
}

const walHeaderBytes = 32;
const frameHeaderBytes = 24;

/**
 * Whether the log goes on behind its last valid commit with frames of the same generation (the
 * same salt, bytes 16..24 of the log's header and 8..16 of a frame's: sqlite.org/walformat.html).
 */
function isTailTorn(db: DatabaseSync, path: string): boolean {
  const valid = db.prepare('PRAGMA wal_checkpoint(NOOP)').get();
  const frames = Math.max(0, Number(valid?.['log'] ?? 0));
  let fd: number;
  try {
    fd = openSync(`${path}-wal`, 'r');
  } catch {
    return false;
  }
  try {
    const header = Buffer.alloc(walHeaderBytes);
    const frame = Buffer.alloc(16);
    const at = walHeaderBytes + frames * (frameHeaderBytes + pragma(db, 'page_size'));
    if (readSync(fd, header, 0, walHeaderBytes, 0) < walHeaderBytes) return fstatSync(fd).size > 0;
    if (readSync(fd, frame, 0, 16, at) < 16) return fstatSync(fd).size > at;
    return frame.subarray(8, 16).equals(header.subarray(16, 24));
  } finally {
    closeSync(fd);
  }
}
