/**
 * The writer thread of a table store: one connection, calls taken in order. A batch of commits is
 * one transaction; its return is the promise that they are durable.
 */

import { LotcError } from '../base/errors.ts';
import { Moved, serve } from './calls.io.ts';
import { type DatabaseSpec, isFull, openDatabase, pragma, transaction } from './database.io.ts';
import { Reserve } from './reserve.io.ts';
import type { TableWrite } from './tables.ts';

const spec: DatabaseSpec = {
  applicationId: 0x4c4f5454, // LOTT
  version: 1,
  schema: `CREATE TABLE entry(name TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY(name, key)) STRICT, WITHOUT ROWID;`,
};

const idleMs = 1_000;
const checkpointBytes = 4 << 20;
const pageRows = 1_000;
const pageBytes = 1 << 20;

export interface TablesRequest {
  readonly path: string;
  readonly reserveBytes: number;
}

export type TableRow = readonly [key: string, value: Uint8Array];
export type TablesCalls = ReturnType<typeof handlers>;

function handlers() {
  let store: Tables | undefined;
  const opened = (): Tables => {
    if (!store) throw new Error('the tables are not open');
    return store;
  };
  return {
    open(request: TablesRequest): void {
      store = new Tables(request);
    },
    commit: (writes: readonly TableWrite[]) => opened().commit(writes),
    page({ table, after }: { table: string; after: string | undefined }) {
      const rows = opened().page(table, after);
      return new Moved(rows, []);
    },
    size: (): number => opened().size(),
    close: (): void => store?.close(),
  };
}

export function run(): void {
  serve(handlers);
}

class Tables {
  readonly #path: string;
  readonly #db;
  readonly #reserve: Reserve;
  readonly #put;
  readonly #remove;
  readonly #idle: NodeJS.Timeout;
  #logBytes = 0;
  #reserved: boolean;
  #dead: unknown;

  constructor({ path, reserveBytes }: TablesRequest) {
    this.#path = path;
    this.#reserve = new Reserve(`${path}.reserve`, reserveBytes);
    this.#db = this.#open(path);
    this.#reserved = this.#reserve.ensure();
    this.#put = this.#db.prepare('INSERT OR REPLACE INTO entry(name, key, value) VALUES (?, ?, ?)');
    this.#remove = this.#db.prepare('DELETE FROM entry WHERE name = ? AND key = ?');
    this.#idle = setInterval(() => this.#rest(), idleMs);
    this.#idle.unref();
  }

  /** A full disk is met with the reserve first: what was begun can then be brought to its end. */
  commit(writes: readonly TableWrite[]): void {
    if (this.#dead) throw closed(this.#path, this.#dead);
    try {
      this.#write(writes);
    } catch (error) {
      if (!isFull(error)) throw this.#end(error);
      if (!this.#reserved) throw full(this.#path, error);
      this.#reserve.release();
      this.#reserved = false;
      this.#again(writes);
    }
    if (this.#logBytes > checkpointBytes) this.#checkpoint();
  }

  /** Rows of a table by key; a page ends by count or by bytes. */
  page(table: string, after: string | undefined): TableRow[] {
    if (this.#dead) throw closed(this.#path, this.#dead);
    const condition = after === undefined ? '' : 'AND key > ?';
    const query = this.#db.prepare(
      `SELECT key, value FROM entry WHERE name = ? ${condition} ORDER BY key LIMIT ${pageRows}`,
    );
    query.setReturnArrays(true);
    const values = after === undefined ? [table] : [table, after];
    const rows: TableRow[] = [];
    let bytes = 0;
    for (const row of query.iterate(...values) as unknown as Iterable<TableRow>) {
      rows.push(row);
      bytes += row[1].length;
      if (bytes >= pageBytes) break;
    }
    return rows;
  }

  /** Bytes of the database without what is free in it. */
  size(): number {
    const pages = pragma(this.#db, 'page_count') - pragma(this.#db, 'freelist_count');
    return pages * pragma(this.#db, 'page_size');
  }

  close(): void {
    clearInterval(this.#idle);
    this.#dead ??= new Error('it was closed');
    if (this.#db.isOpen) this.#db.close();
  }

  #open(path: string) {
    try {
      return openDatabase(path, spec);
    } catch (error) {
      if (!isFull(error)) throw error;
    }
    this.#reserve.release();
    return openDatabase(path, spec);
  }

  #write(writes: readonly TableWrite[]): void {
    let bytes = 4_096;
    transaction(this.#db, () => {
      for (const { table, key, value } of writes) {
        if (value === undefined) this.#remove.run(table, key);
        else this.#put.run(table, key, value);
        bytes += 4_096 + (value?.length ?? 0);
      }
    });
    this.#logBytes += bytes;
  }

  #again(writes: readonly TableWrite[]): void {
    try {
      this.#write(writes);
    } catch (error) {
      throw isFull(error) ? full(this.#path, error) : this.#end(error);
    }
  }

  #rest(): void {
    if (this.#dead) return;
    this.#checkpoint();
    if (!this.#reserved) this.#reserved = this.#reserve.ensure();
  }

  #checkpoint(): void {
    if (this.#logBytes === 0) return;
    this.#logBytes = 0;
    try {
      this.#db.exec('PRAGMA wal_checkpoint(PASSIVE)');
    } catch (error) {
      if (!isFull(error)) throw this.#end(error);
    }
  }

  #end(error: unknown): LotcError {
    this.#dead = error;
    this.close();
    return closed(this.#path, error);
  }
}

function full(path: string, cause: unknown): LotcError {
  return new LotcError('disk-full', `no space left for ${path}`, {
    hint: 'free space on its disk; nothing else has to be done',
    cause,
  });
}

function closed(path: string, cause: unknown): LotcError {
  return new LotcError('io', `${path} takes no writes: ${(cause as Error).message}`, {
    hint: 'check the disk, then start the program again',
    cause,
  });
}
