/**
 * Readings of the last hour, in memory: of each run the newest as they were taken, older ones one
 * for each half minute. Pure: readings and times in, readings out.
 *
 * A run's readings are numbers in one typed array for each age, which grows with the run and then
 * is a ring: some 13 KiB a run at most, with a sample each 5 s. A coarse reading has the mean of
 * the CPU shares it stands for, and for the rest what was read last.
 */
import { limits } from '../base/limits.ts';

/** What is kept of a reading; one that was not there stays so. */
const fields = [
  ...(['cpuPercent', 'memoryBytes', 'ioReadBytes', 'ioWriteBytes', 'threads'] as const),
  ...(['openFiles', 'load1', 'memoryTotalBytes'] as const),
] as const;
type Field = (typeof fields)[number];

export type Reading = { readonly at: number } & { readonly [F in Field]?: number | undefined };

const WIDTH = 1 + fields.length;
const FIRST_ROWS = 8;

export class History {
  readonly #series = new Map<string, Series>();

  add(run: string, reading: Reading): void {
    let series = this.#series.get(run);
    if (!series) {
      series = new Series();
      this.#series.set(run, series);
    }
    series.add(reading);
  }

  /** Of what was read at this instant or later, oldest first. */
  since(run: string, sinceUs: number): Reading[] {
    return (this.#series.get(run)?.all() ?? []).filter(({ at }) => at >= sinceUs);
  }

  /** Forgets all but these. */
  keep(runs: ReadonlySet<string>): void {
    for (const run of this.#series.keys()) if (!runs.has(run)) this.#series.delete(run);
  }

  get bytes(): number {
    let bytes = 0;
    for (const series of this.#series.values()) bytes += series.bytes;
    return bytes;
  }
}

class Series {
  readonly #fine = new Ring(limits.historyFineReadings);
  readonly #coarse = new Ring(limits.historyCoarseReadings);
  #slot = -1;
  #count = 0;

  get bytes(): number {
    return this.#fine.bytes + this.#coarse.bytes;
  }

  add(reading: Reading): void {
    this.#fine.push(reading);
    const slot = Math.floor(reading.at / (limits.historyCoarseMs * 1000));
    const last = slot === this.#slot ? this.#coarse.last : undefined;
    if (!last) {
      this.#coarse.push(reading);
      [this.#slot, this.#count] = [slot, 1];
      return;
    }
    this.#count += 1;
    const { cpuPercent = 0 } = last;
    const mean = cpuPercent + ((reading.cpuPercent ?? 0) - cpuPercent) / this.#count;
    const some = reading.cpuPercent === undefined ? {} : { cpuPercent: Math.round(mean * 10) / 10 };
    this.#coarse.replaceLast({ ...reading, ...some });
  }

  all(): Reading[] {
    const fine = this.#fine.all();
    const from = fine[0]?.at ?? 0;
    return [...this.#coarse.all().filter(({ at }) => at < from), ...fine];
  }
}

class Ring {
  readonly #rowsMax: number;
  #cells = new Float64Array(FIRST_ROWS * WIDTH);
  #count = 0;
  /** Of the oldest row, once the ring is full. */
  #first = 0;

  constructor(rowsMax: number) {
    this.#rowsMax = rowsMax;
  }

  get bytes(): number {
    return this.#cells.byteLength;
  }

  get last(): Reading | undefined {
    return this.#count === 0 ? undefined : this.#row(this.#count - 1);
  }

  push(reading: Reading): void {
    if (this.#count === this.#rowsMax) this.#first = (this.#first + 1) % this.#rowsMax;
    else {
      this.#count += 1;
      this.#makeRoom();
    }
    this.replaceLast(reading);
  }

  replaceLast(reading: Reading): void {
    const start = this.#start(this.#count - 1);
    this.#cells[start] = reading.at;
    for (const [at, field] of fields.entries()) {
      this.#cells[start + 1 + at] = reading[field] ?? Number.NaN;
    }
  }

  all(): Reading[] {
    return Array.from({ length: this.#count }, (_, index) => this.#row(index));
  }

  #row(index: number): Reading {
    const start = this.#start(index);
    const row: Record<string, number> & { at: number } = { at: this.#cells[start] ?? 0 };
    for (const [at, field] of fields.entries()) {
      const value = this.#cells[start + 1 + at];
      if (value !== undefined && !Number.isNaN(value)) row[field] = value;
    }
    return row;
  }

  #start(index: number): number {
    return ((this.#first + index) % this.#rowsMax) * WIDTH;
  }

  #makeRoom(): void {
    if (this.#count * WIDTH <= this.#cells.length) return;
    const rows = Math.min(this.#rowsMax, (this.#cells.length / WIDTH) * 2);
    const cells = new Float64Array(rows * WIDTH);
    cells.set(this.#cells);
    this.#cells = cells;
  }
}
