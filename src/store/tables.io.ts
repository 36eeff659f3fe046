/**
 * The agent's durable store: tables in one SQLite file, written by a thread of its own. Commits
 * that arrive while one is under way share the next: a claim of firings, a report and an
 * assignment cost one sync together. What the tables mean is the caller's matter.
 */

import { LotcError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { startThread } from '../base/thread.io.ts';
import { Calls } from './calls.io.ts';
import type { TablesCalls } from './tables.thread.io.ts';
import type { TableStore, TableWrite } from './tables.ts';

export interface TablesOptions {
  readonly reserveBytes?: number | undefined;
  /** The store takes no writes any more, and the program is to end. */
  readonly onFatal?: ((error: Error) => void) | undefined;
}

/** More writes than this in one transaction make a commit that everybody else waits for. */
const batchWrites = 4_096;

interface Pending {
  readonly writes: readonly TableWrite[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export async function openTables(path: string, options: TablesOptions = {}): Promise<TableStore> {
  let store: ThreadTables | undefined;
  const calls: Calls<TablesCalls> = new Calls(
    startThread('tables'),
    () => {},
    (error) => store?.failed(error),
  );
  try {
    await calls.call('open', {
      path,
      reserveBytes: options.reserveBytes ?? limits.agentReserveBytes,
    });
    store = new ThreadTables(calls, options.onFatal ?? (() => {}));
    return store;
  } catch (error) {
    await calls.end();
    throw error;
  }
}

class ThreadTables implements TableStore {
  readonly #calls: Calls<TablesCalls>;
  readonly #onFatal: (error: Error) => void;
  #waiting: Pending[] = [];
  #commit: Promise<void> | undefined;
  #failure: Error | undefined;
  #closing: Promise<void> | undefined;

  constructor(calls: Calls<TablesCalls>, onFatal: (error: Error) => void) {
    this.#calls = calls;
    this.#onFatal = onFatal;
  }

  async commit(writes: readonly TableWrite[]): Promise<void> {
    if (this.#failure) throw this.#failure;
    if (this.#closing) throw new LotcError('io', 'the tables are closed');
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    // Copies: a value may be a view of a large buffer, and may change once the caller goes on.
    const copies = writes.map(({ table, key, value }) => ({
      ...{ table, key, value: value && new Uint8Array(value) },
    }));
    this.#waiting.push({ writes: copies, resolve, reject });
    if (!this.#commit) queueMicrotask(() => this.#pump());
    return promise;
  }

  async load(table: string): Promise<[string, Uint8Array][]> {
    const entries: [string, Uint8Array][] = [];
    let after: string | undefined;
    do {
      const rows = await this.#calls.call('page', { table, after });
      for (const [key, value] of rows) entries.push([key, value]);
      after = rows.at(-1)?.[0];
    } while (after !== undefined);
    return entries;
  }

  size(): Promise<number> {
    return this.#calls.call('size', undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  failed(error: Error): void {
    if (this.#failure || this.#closing) return;
    this.#failure = error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    this.#onFatal(error);
  }

  async #close(): Promise<void> {
    this.#pump();
    while (this.#commit) await this.#commit;
    if (!this.#failure) await this.#calls.call('close', undefined);
    await this.#calls.end();
  }

  #pump(): void {
    if (this.#commit || this.#failure) return;
    let count = 0;
    let writes = 0;
    for (const pending of this.#waiting) {
      writes += pending.writes.length;
      if (count > 0 && writes > batchWrites) break;
      count += 1;
    }
    const batch = this.#waiting.splice(0, count);
    if (batch.length === 0) return;
    this.#commit = this.#send(batch);
  }

  async #send(batch: readonly Pending[]): Promise<void> {
    try {
      await this.#calls.call(
        'commit',
        batch.flatMap(({ writes }) => writes),
      );
      for (const { resolve } of batch) resolve();
    } catch (error) {
      for (const { reject } of batch) reject(error as Error);
      const full = error instanceof LotcError && error.code === 'disk-full';
      if (!full) this.failed(error as Error);
    }
    this.#commit = undefined;
    this.#pump();
  }
}
