/** Durable named tables, key to bytes: what an agent must still know after a power cut. */

export interface TableWrite {
  readonly table: string;
  readonly key: string;
  /** Undefined removes the entry. */
  readonly value: Uint8Array | undefined;
}

export interface TableStore extends AsyncDisposable {
  /** Everything in a table, by key in the order of its UTF-8 bytes; sees commits that resolved. */
  load(table: string): Promise<[key: string, value: Uint8Array][]>;
  /**
   * All of the writes or none, durable when it resolves, in the order of the calls. Rejects with
   * `disk-full` and goes on when there is space again; after any other error it takes no writes.
   */
  commit(writes: readonly TableWrite[]): Promise<void>;
  /** Bytes in use. */
  size(): Promise<number>;
}
