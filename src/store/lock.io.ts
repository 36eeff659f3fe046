/**
 * One program at a time on a data directory, for as long as it lives.
 *
 * The lock is an exclusive transaction on an empty SQLite file: the kernel frees it when its
 * holder dies, whatever way, so no stale lock exists. Beside it a readable file says who holds
 * it, for the one that is refused. Record locks of fcntl(2) belong to the process and end with any
 * close of the file: nobody may open `lock.db` besides, not even to copy it.
 *
 * The directory itself is 0711 (runs are reached through it by their users), `private` in it
 * 0700; one that others may write to, or that is not ours, is refused.
 */

import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LotcError } from '../base/errors.ts';
import { syncDirectorySync } from './database.io.ts';
import { storageError } from './durable.io.ts';

export interface Holder {
  readonly role: string;
  readonly pid: number;
  readonly host: string;
  /** When it took the lock, ISO 8601, by its host's clock. */
  readonly since: string;
}

export interface DirectoryLock extends Disposable {
  readonly directory: string;
  /** `DIR/private`. */
  readonly privateDirectory: string;
}

/** Creates the directory where it is not there, and holds it until disposed of or dead. */
export function lockDirectory(path: string, role: string): DirectoryLock {
  const directory = resolve(path);
  const privateDirectory = join(directory, 'private');
  prepare(directory, 0o711);
  prepare(privateDirectory, 0o700);
  const db = new DatabaseSync(join(privateDirectory, 'lock.db'), { timeout: 0 });
  const infoPath = join(privateDirectory, 'lock.json');
  try {
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    throw refused(directory, holderOf(infoPath), error);
  }
  const holder: Holder = {
    ...{ role, pid: process.pid, host: hostname(), since: new Date().toISOString() },
  };
  try {
    writeFileSync(infoPath, `${JSON.stringify(holder)}\n`, { mode: 0o600 });
  } catch {
    // Only words for somebody else: a full disk must not keep a role from starting.
  }
  return {
    directory,
    privateDirectory,
    [Symbol.dispose](): void {
      if (db.isOpen) db.close();
    },
  };
}

/** Answers with the first directory it made, if any. */
function make(path: string, mode: number): string | undefined {
  try {
    return mkdirSync(path, { recursive: true, mode });
  } catch (error) {
    // On a file system that is read-only Node says only that something is missing.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') mkdirSync(firstMissing(path), { mode });
    throw error;
  }
}

function firstMissing(path: string): string {
  const above = dirname(path);
  return above === path || existsSync(above) ? path : firstMissing(above);
}

/** Whether another process has it; not for a directory of this process's own. */
export function isHeld(path: string): boolean {
  const file = join(path, 'private', 'lock.db');
  if (!existsSync(file)) return false;
  const db = new DatabaseSync(file, { timeout: 0, readOnly: true });
  try {
    db.exec('SELECT * FROM sqlite_schema');
    return false;
  } catch {
    return true;
  } finally {
    db.close();
  }
}

function prepare(path: string, mode: number): void {
  try {
    const created = make(path, mode);
    if (created !== undefined) {
      chmodSync(path, mode);
      syncDirectorySync(dirname(path));
    }
  } catch (error) {
    throw storageError(error, `cannot create ${path}`);
  }
  const facts = lstatSync(path);
  const hint = `chown it to the user that runs lotc, and chmod ${mode.toString(8)} it`;
  if (!facts.isDirectory()) {
    throw new LotcError('not-private', `${path} is not a directory`, { hint: 'name a directory' });
  }
  if (facts.uid !== process.geteuid?.()) {
    throw new LotcError('not-private', `${path} belongs to user ${facts.uid}`, { hint });
  }
  if ((facts.mode & 0o022) !== 0) {
    throw new LotcError('not-private', `others may write to ${path}`, { hint });
  }
  if (mode === 0o700 && (facts.mode & 0o777) !== mode) chmodSync(path, mode);
}

function holderOf(infoPath: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(infoPath, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

function refused(directory: string, holder: Holder | undefined, cause: unknown): LotcError {
  const code = (cause as { errcode?: number }).errcode ?? 0;
  if ((code & 0xff) !== 5) return storageError(cause, `cannot lock ${directory}`);
  const who = holder
    ? `lotc ${holder.role}, pid ${holder.pid} on ${holder.host}, since ${holder.since}`
    : 'another lotc';
  return new LotcError('locked', `${directory} is in use by ${who}`, {
    hint: 'stop it first, or use another --data directory',
    cause,
  });
}
