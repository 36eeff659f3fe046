/**
 * One SQLite file as LOTC keeps them: write-ahead log, synced at each commit, checked to be ours.
 *
 * SQLite swallows errors of its own directory sync, so creation is synced here; versions before
 * 3.51.3 could corrupt a database when two connections checkpoint at once. A failed sync is
 * final (the kernel may have dropped the pages), so every error of a commit but "full" and
 * "busy" means: close, and never try again on this handle.
 */

import { closeSync, constants, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { JournalError } from './journal.ts';

export interface DatabaseSpec {
  /** Says in the file's header which of LOTC's databases it is. */
  readonly applicationId: number;
  readonly version: number;
  readonly schema: string;
  /** From version n + 1 to the next. */
  readonly upgrades?: readonly string[] | undefined;
}

const oldestSqlite = [3, 51, 3] as const;

function checkSqlite(): void {
  const found = process.versions['sqlite'] ?? '0';
  const parts = found.split('.').map(Number);
  for (const [index, least] of oldestSqlite.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (part === least) continue;
    const text = `SQLite ${found} is older than ${oldestSqlite.join('.')}`;
    throw new JournalError('Unsupported', text, { hint: 'run LOTC with its own Node' });
  }
}

/** Opens for writing, creates what is not there; the file is private to this user. */
export function openDatabase(path: string, spec: DatabaseSpec): DatabaseSync {
  checkSqlite();
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  closeSync(openSync(path, flags, 0o600));
  const db = new DatabaseSync(path, { timeout: 5_000 });
  try {
    if (isFresh(db)) createIn(db, spec);
    checkHeader(db, path, spec);
    upgrade(db, spec);
    db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;
      PRAGMA journal_size_limit=67108864; PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;
      PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;`);
    syncDirectorySync(dirname(path));
    return db;
  } catch (error) {
    db.close();
    throw inWords(error, path);
  }
}

/** Opens for reading beside the one writer; changes nothing, not even at its end. */
export function openReader(path: string, spec: DatabaseSpec): DatabaseSync {
  checkSqlite();
  const db = new DatabaseSync(path, { readOnly: true, timeout: 5_000 });
  try {
    checkHeader(db, path, spec);
    db.exec('PRAGMA trusted_schema=OFF; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;');
    return db;
  } catch (error) {
    db.close();
    throw inWords(error, path);
  }
}

/** Nothing in it yet: just created, or its creation was cut off before its one commit. */
export function isFresh(db: DatabaseSync): boolean {
  if (pragma(db, 'application_id') !== 0) return false;
  return db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get() === undefined;
}

function createIn(db: DatabaseSync, { applicationId, version, schema }: DatabaseSpec): void {
  // The log's mode is set first: the tables are then created under it, in one synced commit.
  db.exec('PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;');
  db.exec(`BEGIN IMMEDIATE; PRAGMA application_id=${applicationId};
    PRAGMA user_version=${version}; ${schema} COMMIT;`);
}

/** What an older LOTC made, in the tables of this one. Each step is one synced commit. */
function upgrade(db: DatabaseSync, { upgrades = [], version }: DatabaseSpec): void {
  for (let from = pragma(db, 'user_version'); from < version; from += 1) {
    db.exec('PRAGMA synchronous=FULL');
    db.exec(
      `BEGIN IMMEDIATE; ${upgrades[from - 1] ?? ''}; PRAGMA user_version=${from + 1}; COMMIT;`,
    );
  }
}

export function checkHeader(db: DatabaseSync, path: string, spec: DatabaseSpec): void {
  const id = pragma(db, 'application_id');
  const version = pragma(db, 'user_version');
  if (id !== spec.applicationId) {
    throw new JournalError('Damaged', `${path} is not the database it should be`, {
      hint: 'restore it from a backup',
    });
  }
  if (version > spec.version) {
    const text = `${path} was written by a newer LOTC (version ${version} of its tables)`;
    throw new JournalError('Unsupported', text, { hint: 'run the newer LOTC' });
  }
}

/** A pragma that answers with one integer. */
export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? { none: 0 })[0]);
}

export function syncDirectorySync(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

const errcodeOf = (error: unknown): number =>
  typeof error === 'object' && error !== null && 'errcode' in error ? Number(error.errcode) : 0;

/** SQLITE_FULL, or the index of the log could not grow (SQLITE_IOERR_SHMSIZE): nothing was done. */
export function isFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  return errcodeOf(error) === 13 || errcodeOf(error) === 4874;
}

/** SQLITE_BUSY, SQLITE_CORRUPT and SQLITE_NOTADB, with what is wrong and the way out in words. */
export function inWords(error: unknown, path: string): unknown {
  const primary = errcodeOf(error) & 0xff;
  if (primary === 5) {
    const text = `${path} is being written to by another process`;
    return new JournalError('Locked', text, { hint: 'stop it first', cause: error });
  }
  if (primary !== 11 && primary !== 26) return error;
  return new JournalError('Damaged', `${path} is damaged: ${(error as Error).message}`, {
    hint: 'restore it from a backup',
    cause: error,
  });
}

/** Runs `work` in a transaction of its own; after an error nothing of it is left. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}
