/**
 * What a journal is on disk. One path names all of it: the database `P` (with SQLite's `P-wal` and
 * `P-shm`), the witness `P.head`, the reserve `P.reserve` and the snapshots in `P.snapshots/`.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import type { DatabaseSpec } from './database.io.ts';
import type { Position } from './journal.ts';
import { decodeWitness, type Witness } from './record.ts';

const fireIndexes = `
    CREATE INDEX history_schedule ON history(kind, schedule, seq, n) WHERE schedule IS NOT NULL;
    CREATE UNIQUE INDEX history_name ON history(kind, name) WHERE name IS NOT NULL;`;

export const journalSpec: DatabaseSpec = {
  applicationId: 0x4c4f544a, // LOTJ
  version: 2,
  schema: `
    CREATE TABLE meta(k TEXT PRIMARY KEY, v ANY NOT NULL) STRICT;
    CREATE TABLE writer(epoch INTEGER PRIMARY KEY, server TEXT NOT NULL) STRICT;
    CREATE TABLE journal(seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, epoch INTEGER NOT NULL,
      rec BLOB NOT NULL) STRICT;
    CREATE TABLE snapshot(seq INTEGER PRIMARY KEY, crc INTEGER NOT NULL, sha256 BLOB NOT NULL,
      bytes INTEGER NOT NULL, at INTEGER NOT NULL, file TEXT NOT NULL) STRICT;
    CREATE TABLE history(kind INTEGER NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL,
      at INTEGER NOT NULL, task TEXT, node TEXT, run TEXT, operation TEXT, schedule TEXT,
      name TEXT, body BLOB NOT NULL, PRIMARY KEY(kind, seq, n)) STRICT, WITHOUT ROWID;
    CREATE INDEX history_at ON history(kind, at);
    CREATE INDEX history_task ON history(kind, task, seq, n) WHERE task IS NOT NULL;
    CREATE INDEX history_node ON history(kind, node, seq, n) WHERE node IS NOT NULL;
    CREATE INDEX history_run ON history(kind, run, seq, n) WHERE run IS NOT NULL;
    CREATE INDEX history_operation ON history(kind, operation, seq, n) WHERE operation IS NOT NULL;
    ${fireIndexes}
  `,
  upgrades: [
    `ALTER TABLE history ADD COLUMN schedule TEXT; ALTER TABLE history ADD COLUMN name TEXT;
    ${fireIndexes}`,
  ],
};

export const headPath = (path: string): string => `${path}.head`;
export const reservePath = (path: string): string => `${path}.reserve`;
export const snapshotsPath = (path: string): string => `${path}.snapshots`;

export interface SnapshotRow extends Position {
  readonly sha256: Uint8Array;
  readonly bytes: number;
  readonly file: string;
}

/** Newest first. */
export function snapshotRows(db: DatabaseSync): SnapshotRow[] {
  const query = db.prepare('SELECT seq, crc, sha256, bytes, file FROM snapshot ORDER BY seq DESC');
  return query.all() as unknown as SnapshotRow[];
}

export function snapshotFile(path: string, row: Pick<SnapshotRow, 'file'>): string {
  return join(snapshotsPath(path), row.file);
}

/** `missing` and `torn` are told apart: a torn witness was once written by us. */
export function readWitness(path: string): Witness | 'missing' | 'torn' {
  if (!existsSync(headPath(path))) return 'missing';
  return decodeWitness(readFileSync(headPath(path))) ?? 'torn';
}

export function meta(db: DatabaseSync, key: string): unknown {
  return db.prepare('SELECT v FROM meta WHERE k = ?').get(key)?.['v'];
}

export function metaNumber(db: DatabaseSync, key: string): number {
  return Number(meta(db, key) ?? 0);
}

export function setMeta(db: DatabaseSync, key: string, value: number | Uint8Array): void {
  db.prepare('INSERT OR REPLACE INTO meta(k, v) VALUES (?, ?)').run(key, value);
}
