/** Rows of history on their way into a commit, with the marker that says how far they go. */

import type { HistoryRow } from './journal.ts';

/** More rows than this wait for another commit: appends share it. */
const mostRows = 4_096;

export class RowQueue {
  #rows: HistoryRow[] = [];
  #through: number;
  #stored: number;
  #flying = false;

  constructor(stored: number) {
    this.#stored = stored;
    this.#through = stored;
  }

  get length(): number {
    return this.#rows.length;
  }

  /** Rows are in the commit under way. */
  get flying(): boolean {
    return this.#flying;
  }

  get stored(): number {
    return this.#stored;
  }

  push(rows: readonly HistoryRow[], through: number): void {
    for (const row of rows) {
      // Replay makes rows again that were stored before the end, and perhaps pruned since.
      if (row.seq <= this.#through) continue;
      // A body may be a small view of a large buffer, and would take all of it along.
      this.#rows.push({ ...row, body: new Uint8Array(row.body) });
    }
    this.#through = Math.max(this.#through, through);
  }

  /** The next rows and the record they are complete up to; 0 when that is known already. */
  take(): { rows: HistoryRow[]; through: number } {
    const rows = this.#rows.splice(0, mostRows);
    const next = this.#rows[0];
    const through = next ? next.seq - 1 : this.#through;
    this.#flying = rows.length > 0;
    return { rows, through: through > this.#stored ? through : 0 };
  }

  done(through: number): void {
    this.#flying = false;
    this.#stored = Math.max(this.#stored, through);
  }

  back(rows: readonly HistoryRow[]): void {
    this.#flying = false;
    this.#rows.unshift(...rows);
  }
}
