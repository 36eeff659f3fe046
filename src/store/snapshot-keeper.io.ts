/**
 * Which snapshots a journal keeps: the two newest that are good, so that a bad one costs a longer
 * replay and nothing else. Records go up to the older of the two, in small steps between commits.
 */

import type { Calls } from './calls.io.ts';
import type { JournalCalls } from './journal.thread.io.ts';
import { JournalError, type Position, type Snapshot } from './journal.ts';
import { type SnapshotRow, snapshotFile } from './layout.io.ts';
import { readSnapshot, snapshotFault, sweepSnapshots, writeSnapshot } from './snapshot.io.ts';

const kept = 2;

export class SnapshotKeeper {
  readonly #path: string;
  readonly #calls: Calls<JournalCalls>;
  readonly #onWarning: (text: string) => void;
  readonly #bad = new Set<number>();

  constructor(path: string, calls: Calls<JournalCalls>, onWarning: (text: string) => void) {
    this.#path = path;
    this.#calls = calls;
    this.#onWarning = onWarning;
  }

  async save(at: Position, body: AsyncIterable<Uint8Array>): Promise<void> {
    const row = await writeSnapshot(this.#path, at, body);
    await this.#calls.call('addSnapshot', row);
    this.#bad.delete(at.seq);
    const rows = await this.#calls.call('snapshots', undefined);
    const good = rows.filter(({ seq }) => !this.#bad.has(seq)).slice(0, kept);
    const gone = rows.filter((each) => !good.includes(each));
    if (gone.length > 0) {
      await this.#calls.call(
        'dropSnapshots',
        gone.map(({ seq }) => seq),
      );
    }
    const before = good[kept - 1];
    if (before) {
      while ((await this.#calls.call('truncateStep', before.seq)) !== undefined);
    }
    await sweepSnapshots(this.#path, good);
  }

  async load(baseSeq: number): Promise<Snapshot | undefined> {
    const rows = await this.#calls.call('snapshots', undefined);
    for (const row of rows) {
      const fault = (await this.#otherHistory(row)) ?? (await snapshotFault(this.#path, row));
      if (fault === undefined) {
        return { at: { seq: row.seq, crc: row.crc }, body: readSnapshot(this.#path, row) };
      }
      this.#bad.add(row.seq);
      this.#onWarning(`the snapshot ${snapshotFile(this.#path, row)} is not used: ${fault}`);
    }
    if (baseSeq === 0) return undefined;
    const text = `${this.#path} has no usable snapshot of its first ${baseSeq} records`;
    throw new JournalError('Damaged', text, { hint: 'restore it from a backup' });
  }

  async #otherHistory({ seq, crc }: SnapshotRow): Promise<string | undefined> {
    const [record] = await this.#calls.call('read', { after: seq - 1, limit: 1 });
    if (!record || record[0] !== seq || record[1] === crc) return undefined;
    return `record ${seq} is not the one it was made at`;
  }
}
