/**
 * Snapshots of the model: taken every so many records and at a polite end, written while further
 * commands are applied.
 */
import { limits } from '../../base/limits.ts';
import type { Log } from '../../base/log.io.ts';
import type { ServerJournal } from '../../store/journal.ts';
import type { ServerCore } from './core.ts';
import { encodeEntries, freeze } from './model/snapshot.ts';

export class SnapshotSaver {
  readonly #journal: ServerJournal;
  readonly #core: ServerCore;
  readonly #log: Log;
  #records = 0;
  #bytes = 0;
  #crc = 0;
  #savedSeq: number;
  #saving: Promise<void> | undefined;

  constructor(journal: ServerJournal, core: ServerCore, log: Log) {
    this.#journal = journal;
    this.#core = core;
    this.#log = log;
    this.#savedSeq = core.state.seq;
  }

  async passed(
    entries: readonly { readonly crc: number; readonly rec: Uint8Array }[],
  ): Promise<void> {
    for (const { crc, rec } of entries) {
      this.#crc = crc;
      this.#records += 1;
      this.#bytes += rec.length;
    }
    const due =
      this.#records >= limits.snapshotEveryRecords || this.#bytes >= limits.snapshotEveryBytes;
    if (due && !this.#saving) void this.save();
  }

  /** What the state is now; it is written while further commands are applied. */
  async save(): Promise<void> {
    await this.#saving;
    const { seq } = this.#core.state;
    if (this.#records === 0 || seq === this.#savedSeq) return;
    this.#records = 0;
    this.#bytes = 0;
    const entries = freeze(this.#core.state);
    const body = async function* (): AsyncGenerator<Uint8Array> {
      for (const slice of encodeEntries(entries)) {
        yield slice;
        await new Promise<void>((resolve) => {
          setImmediate(resolve);
        });
      }
    };
    this.#saving = this.#write(seq, body());
    await this.#saving;
  }

  /** A snapshot that cannot be written costs a longer replay, nothing else. */
  async #write(seq: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      await this.#journal.saveSnapshot({ seq, crc: this.#crc }, body);
      this.#savedSeq = seq;
    } catch (error) {
      this.#log('warn', 'snapshot not saved', { reason: (error as Error).message });
    } finally {
      this.#saving = undefined;
    }
  }
}
