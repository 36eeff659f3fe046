/**
 * The journal's one writing connection, inside the writer thread. Everything here is synchronous:
 * a call is a transaction, its return the promise that it is durable. What waits, who asked and
 * who follows is the main thread's matter.
 *
 * A commit that found no space leaves the journal as it was and frees the reserve; any other
 * failed commit ends this handle for good.
 */

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { limits } from '../base/limits.ts';
import { acceptLoss } from './accept.io.ts';
import { inWords, isFull, openDatabase, openReader, transaction } from './database.io.ts';
import { HeadFile } from './head-file.io.ts';
import { prepareStoreRows, storeRows } from './history.io.ts';
import { type Inspection, inspectJournal } from './inspect.io.ts';
import { type HistoryRow, JournalError, type Position } from './journal.ts';
import { judge } from './judge.ts';
import {
  headPath,
  journalSpec,
  meta,
  metaNumber,
  reservePath,
  setMeta,
  snapshotsPath,
} from './layout.io.ts';
import { chain, type Packed, unpack } from './record.ts';
import { Reserve } from './reserve.io.ts';

export interface OpenRequest {
  readonly path: string;
  readonly server: string;
  readonly reserveBytes: number;
  readonly acceptLoss: boolean;
}

export interface Opened {
  readonly id: Uint8Array;
  readonly epoch: number;
  readonly base: Position;
  readonly head: Position;
  readonly projected: number;
  readonly writers: readonly (readonly [epoch: number, server: string])[];
  readonly full: boolean;
  readonly warnings: readonly string[];
}

export interface CommitRequest {
  readonly packed: Packed | undefined;
  readonly rows: readonly HistoryRow[];
  readonly through: number;
}

/** A longer log makes a longer start after a crash; a checkpoint in between makes commits wait. */
const checkpointIdleBytes = 4 << 20;
const checkpointBytes = 64 << 20;

export class JournalWriter {
  readonly path: string;
  readonly opened: Opened;
  readonly reader: DatabaseSync;
  readonly reserve: Reserve;
  readonly #db: DatabaseSync;
  readonly #head: HeadFile;
  readonly #insert: StatementSync;
  readonly #insertRow: StatementSync;
  readonly #epoch: StatementSync;
  #seq: number;
  #crc: number;
  #logBytes = 0;
  #usedReserve = false;
  #dead: unknown;

  constructor(request: OpenRequest) {
    const { path, server } = request;
    this.path = path;
    mkdirSync(snapshotsPath(path), { recursive: true, mode: 0o700 });
    chmodSync(snapshotsPath(path), 0o700);
    this.reserve = new Reserve(reservePath(path), request.reserveBytes);
    // Even reading takes space: SQLite's index of the log is a file.
    const { found, warnings, accept } = this.#roomFor(() => findings(request));
    this.#db = this.#roomFor(() => openDatabase(path, journalSpec));
    try {
      this.#roomFor(() => this.#begin(server, accept));
      this.reader = openReader(path, journalSpec);
      const facts = this.#facts(found, warnings);
      this.#seq = facts.head.seq;
      this.#crc = facts.head.crc;
      this.#head = new HeadFile(headPath(path));
      this.#witness(facts);
      this.#head.sync();
      this.#truncateLog();
      this.opened = { ...facts, full: !this.reserve.ensure() || this.#usedReserve };
    } catch (error) {
      this.#db.close();
      throw inWords(error, path);
    }
    this.#insert = this.#db.prepare(
      'INSERT INTO journal(seq, crc, epoch, rec) VALUES (?, ?, ?, ?)',
    );
    this.#insertRow = prepareStoreRows(this.#db);
    this.#epoch = this.#db.prepare("SELECT v FROM meta WHERE k = 'epoch'");
  }

  /** Durable when it returns; the chain's checksum of each record. */
  commit({ packed, rows, through }: CommitRequest): Uint32Array<ArrayBuffer> {
    const crcs = new Uint32Array(packed?.ends.length ?? 0);
    let crc = this.#crc;
    let index = 0;
    this.write(() => {
      for (const rec of packed ? unpack(packed) : []) {
        crc = chain(rec, crc);
        crcs[index] = crc;
        index += 1;
        this.#insert.run(this.#seq + index, crc, this.opened.epoch, rec);
      }
      storeRows(this.#insertRow, rows);
      if (through > 0) setMeta(this.#db, 'projected', through);
    });
    this.#seq += index;
    this.#crc = crc;
    this.#logBytes += (packed?.bytes.length ?? 0) + 64 * index + 8_192 + 512 * rows.length;
    this.#witness();
    if (this.#logBytes > checkpointBytes) this.checkpoint();
    return crcs;
  }

  /** A transaction of this writer, unless a newer one has the journal or it has ended. */
  write<T>(work: (db: DatabaseSync) => T): T {
    if (this.#dead) throw closedBy(this.#dead);
    try {
      return transaction(this.#db, () => {
        this.#checkEpoch();
        return work(this.#db);
      });
    } catch (error) {
      if (error instanceof JournalError) throw error;
      if (!isFull(error)) throw this.#end(error);
      this.reserve.release();
      throw fullAt(this.path, error);
    }
  }

  /** Moves the log into the database; a full disk may have room for part of it only. */
  checkpoint(least = 0): void {
    if (this.#dead || this.#logBytes < least || this.#logBytes === 0) return;
    this.#logBytes = 0;
    try {
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (!isFull(error)) throw this.#end(error);
    }
  }

  /** Nothing to do for a while: small things that were put off. */
  idle(): void {
    if (this.#dead) return;
    this.checkpoint(checkpointIdleBytes);
    this.#head.sync();
  }

  close(): void {
    if (!this.#dead) {
      this.#dead = new Error('it was closed');
      this.#head.close();
    }
    if (this.reader.isOpen) this.reader.close();
    if (this.#db.isOpen) this.#db.close();
  }

  #end(error: unknown): JournalError {
    this.#dead = error;
    this.close();
    const text = `a commit to ${this.path} failed: ${(error as Error).message}`;
    return new JournalError('Unknown', text, {
      hint: 'check the disk; the journal is closed until the server is started again',
      cause: error,
    });
  }

  #checkEpoch(): void {
    const epoch = Number(this.#epoch.get()?.['v']);
    if (epoch === this.opened.epoch) return;
    const text = `another server has taken over ${this.path} (epoch ${epoch})`;
    throw new JournalError('Fenced', text, { hint: 'stop one of the two' });
  }

  /** A log whose torn end is gone says so only once. */
  #truncateLog(): void {
    try {
      this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (!isFull(error)) throw error;
    }
  }

  #witness({ id, epoch }: Pick<Opened, 'id' | 'epoch'> = this.opened): void {
    this.#head.write({ id, epoch, seq: this.#seq, crc: this.#crc });
  }

  /** Tries again with the reserve's space. */
  #roomFor<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    this.reserve.release();
    this.#usedReserve = true;
    try {
      return work();
    } catch (error) {
      throw isFull(error) ? fullAt(this.path, error) : error;
    }
  }

  /** The new epoch: from here on an older writer is refused. */
  #begin(server: string, accept: Inspection | undefined): void {
    if (accept) acceptLoss(this.#db, accept);
    transaction(this.#db, () => {
      if (meta(this.#db, 'id') === undefined) setMeta(this.#db, 'id', randomBytes(16));
      const epoch = metaNumber(this.#db, 'epoch') + 1;
      setMeta(this.#db, 'epoch', epoch);
      // Names of writers of whom no record is left.
      this.#db.exec(`DELETE FROM writer
        WHERE epoch < (SELECT epoch FROM journal ORDER BY seq LIMIT 1)`);
      this.#db.prepare('INSERT INTO writer(epoch, server) VALUES (?, ?)').run(epoch, server);
    });
  }

  #facts(found: Inspection | undefined, warnings: readonly string[]): Omit<Opened, 'full'> {
    const base = { seq: metaNumber(this.#db, 'base_seq'), crc: metaNumber(this.#db, 'base_crc') };
    const last = this.#db.prepare('SELECT seq, crc FROM journal ORDER BY seq DESC LIMIT 1').get();
    const head = last ? { seq: Number(last['seq']), crc: Number(last['crc']) } : base;
    const writers = this.#db.prepare('SELECT epoch, server FROM writer ORDER BY epoch').all();
    return {
      id: Uint8Array.from(meta(this.#db, 'id') as Uint8Array),
      epoch: metaNumber(this.#db, 'epoch'),
      ...{ base, head, projected: metaNumber(this.#db, 'projected') },
      writers: writers.map((row) => [Number(row['epoch']), String(row['server'])] as const),
      warnings: found === undefined ? [] : warnings,
    };
  }
}

function findings({ path, acceptLoss: accepted }: OpenRequest): {
  found: Inspection | undefined;
  warnings: readonly string[];
  accept: Inspection | undefined;
} {
  const found = inspectJournal(path);
  if (!found) return { found, warnings: [], accept: undefined };
  const { refusal, warnings } = judge(path, found);
  if (refusal && !accepted) throw refusal;
  return { found, warnings, accept: accepted ? found : undefined };
}

export function fullAt(path: string, cause: unknown): JournalError {
  return new JournalError('Full', `no space left for ${path}`, {
    hint: `free space on its disk; at least ${limits.lowDiskBytes >> 20} MiB are wanted`,
    cause,
  });
}

export function closedBy(cause: unknown): JournalError {
  const text = `the journal is closed: ${(cause as Error).message}`;
  return new JournalError('Closed', text, { cause });
}
