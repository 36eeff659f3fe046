/**
 * The index of a run's logs as its readers need it: the times of each stream, kept up to date with
 * what the indexer appends. At most `limits.logIndexBytes` are read and held.
 */
import { statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { limits } from '../base/limits.ts';
import { decodeRecords, RECORD_BYTES, type Stream, StreamTimes } from './logs.ts';

export class LogIndex {
  readonly #path: string;
  readonly times: Readonly<Record<Stream, StreamTimes>> = {
    stdout: new StreamTimes(),
    stderr: new StreamTimes(),
  };
  #inode = -1;
  #position = 0;
  #refreshedMs = 0;

  constructor(directory: string) {
    this.#path = join(directory, 'index');
  }

  /** `refresh`, unless the last was within the period in which nothing new can be there. */
  async refreshOften(): Promise<void> {
    if (performance.now() - this.#refreshedMs < limits.logIndexMs) return;
    await this.refresh();
  }

  /** Reads what has come since the last time; all of it when the file was made anew (shortened). */
  async refresh(): Promise<void> {
    this.#refreshedMs = performance.now();
    const found = statSync(this.#path, { throwIfNoEntry: false });
    if (found === undefined) return;
    if (found.ino !== this.#inode || found.size < this.#position) {
      for (const times of Object.values(this.times)) times.clear();
      this.#inode = found.ino;
      this.#position = 0;
    }
    const length = found.size - this.#position - ((found.size - this.#position) % RECORD_BYTES);
    if (length <= 0) return;
    await using file = await open(this.#path, 'r');
    const buffer = new Uint8Array(length);
    const { bytesRead } = await file.read(buffer, 0, length, this.#position);
    const whole = bytesRead - (bytesRead % RECORD_BYTES);
    for (const record of decodeRecords(buffer.subarray(0, whole))) {
      this.times[record.stream].add(record.atUs, record.sizeBytes);
    }
    this.#position += whole;
  }
}
