/**
 * A copy of a journal, while its server runs or not, and the check of one that is at rest.
 *
 * The copy is one read transaction long, so that it is the journal of one instant; snapshots are
 * copied by the rows of the copy. It has a witness of its own, and is a whole journal again under
 * its new path.
 */

import { constants, copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { LotcError } from '../base/errors.ts';
import { inWords, isFull, openReader } from './database.io.ts';
import { storageError, syncDirectory } from './durable.io.ts';
import { inspectJournal } from './inspect.io.ts';
import { type Position } from './journal.ts';
import { fullAt } from './journal-writer.io.ts';
import { judge } from './judge.ts';
import {
  headPath,
  journalSpec,
  metaNumber,
  snapshotFile,
  snapshotRows,
  snapshotsPath,
} from './layout.io.ts';
import { encodeWitness } from './record.ts';
import { snapshotFault } from './snapshot.io.ts';

/** Pages copied in one go; between two of them the thread does other work. */
const backupRate = 1_024;

/** Copies the journal at `path` to `to`, which must not exist; resolves when it is durable. */
export async function copyJournal(path: string, to: string): Promise<Position> {
  if (existsSync(to)) {
    throw new LotcError('exists', `${to} exists`, { hint: 'name a file that does not exist' });
  }
  const source = openReader(path, journalSpec);
  try {
    writeFileSync(to, '', { mode: 0o600, flag: 'wx' });
    // The first statement fixes the instant; without a transaction each commit would restart it.
    source.exec('BEGIN');
    metaNumber(source, 'epoch');
    await backup(source, to, { rate: backupRate });
    source.exec('ROLLBACK');
    settle(to);
    const head = await copyRest(path, to);
    await syncDirectory(snapshotsPath(to));
    await syncDirectory(dirname(resolve(to)));
    return head;
  } catch (error) {
    for (const file of [to, `${to}-wal`, `${to}-shm`, headPath(to), snapshotsPath(to)]) {
      await rm(file, { force: true, recursive: true });
    }
    throw isFull(error)
      ? fullAt(to, error)
      : storageError(inWords(error, path), `cannot copy ${path}`);
  } finally {
    source.close();
  }
}

/** The copy is still marked as using a log; opening it once makes it a file that stands alone. */
function settle(to: string): void {
  const copy = new DatabaseSync(to);
  copy.exec('PRAGMA synchronous=FULL; PRAGMA wal_checkpoint(TRUNCATE);');
  copy.close();
}

async function copyRest(path: string, to: string): Promise<Position> {
  mkdirSync(snapshotsPath(to), { mode: 0o700 });
  const found = inspectJournal(to);
  if (!found) throw new LotcError('damaged', `${path} holds no journal`);
  for (const row of found.snapshots) {
    copyFileSync(snapshotFile(path, row), snapshotFile(to, row), constants.COPYFILE_FICLONE);
    const file = await open(snapshotFile(to, row));
    await file.sync();
    await file.close();
  }
  const { id, epoch, head } = found;
  writeFileSync(headPath(to), encodeWitness({ id, epoch, ...head }), { mode: 0o600, flush: true });
  return head;
}

export interface CheckReport {
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  readonly head: Position;
  readonly records: number;
  readonly snapshots: number;
}

/** Reads everything of a journal that no server uses; changes nothing. */
export async function checkJournal(path: string): Promise<CheckReport> {
  const problems: string[] = [];
  const found = inspectJournal(path);
  if (!found) throw new LotcError('damaged', `${path} holds no journal`);
  const { refusal, warnings } = judge(path, found);
  if (refusal) problems.push(refusal.message);
  const db = openReader(path, journalSpec);
  try {
    for (const row of db.prepare('PRAGMA quick_check(20)').all()) {
      const said = String(Object.values(row)[0]);
      if (said !== 'ok') problems.push(`${path}: ${said}`);
    }
    const rows = snapshotRows(db);
    for (const row of rows) {
      const fault = await snapshotFault(path, row);
      if (fault) problems.push(`${snapshotFile(path, row)}: ${fault}`);
      const record = db.prepare('SELECT crc FROM journal WHERE seq = ?').get(row.seq);
      if (record && Number(record['crc']) !== row.crc) {
        problems.push(`the snapshot at record ${row.seq} is of another history`);
      }
    }
    const { head, base } = found;
    return { problems, warnings, head, records: head.seq - base.seq, snapshots: rows.length };
  } finally {
    db.close();
  }
}
