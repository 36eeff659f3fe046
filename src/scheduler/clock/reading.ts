/**
 * What is published about true time, and how any thread reads it.
 *
 * From one update to the next everything is a line over the base clock: where true time is put
 * (which moves to a new estimate slowly, so that readings never go back), and the two ends of
 * what is proven, which part by as much as the base clock may drift. A reading is those lines at
 * one instant. The bound is on both sides the longer way to the ends: the middle between them is
 * not the best estimate. It lies in shared memory behind a sequence lock: one thread writes, all
 * read without a message, and a reader that was overtaken reads again.
 */
import type { Instant } from '../../base/clock.ts';
import { STAMP_ERROR_US } from './reply.ts';
import type { Drift, Interval } from './source.ts';

/** `none`: nothing proven yet. `holdover`: the sources are silent, what was known grows old. */
export const statuses = ['none', 'synchronised', 'holdover', 'disturbed', 'no majority'] as const;
export type Status = (typeof statuses)[number];

export interface Published {
  /** The instant of the base clock that all else is said for. */
  readonly refUs: number;
  /** True time minus base time as readings give it, and how it changes from there. */
  readonly aheadUs: number;
  readonly rate: number;
  /** On top of `rate` until `slewUs` have passed: the way to the newest estimate. */
  readonly slewRate: number;
  readonly slewUs: number;
  /** What is proven; infinite where nothing is. */
  readonly proven: Interval;
  readonly drift: Drift;
  /** How long the machine had been suspended then. */
  readonly suspendedUs: number;
  /** Grows with every jump of readings. */
  readonly generation: number;
  readonly status: Status;
  readonly stratum: number;
  /** The source has no source itself: its time is the fleet's, and the bound is against that. */
  readonly relative: boolean;
}

export const nothing: Published = {
  ...{ refUs: 0, aheadUs: 0, rate: 0, slewRate: 0, slewUs: 0 },
  proven: { lowUs: Number.NEGATIVE_INFINITY, highUs: Number.POSITIVE_INFINITY },
  drift: { low: 0, high: 0 },
  ...{ suspendedUs: 0, generation: 0, status: 'none', stratum: 0, relative: false },
};

/** A suspended machine's clocks stood still: nothing that was proven before holds. */
const SUSPENDED_US = 10_000;

/** True time minus base time, as readings give it. */
export function aheadAt(from: Published, baseUs: number): number {
  const passedUs = baseUs - from.refUs;
  const slewedUs = Math.min(Math.max(passedUs, 0), from.slewUs);
  return from.aheadUs + from.rate * passedUs + from.slewRate * slewedUs;
}

export function provenAt({ proven, drift, refUs }: Published, baseUs: number): Interval {
  const passedUs = baseUs - refUs;
  return {
    lowUs: proven.lowUs + drift.low * passedUs,
    highUs: proven.highUs + drift.high * passedUs,
  };
}

/** True time at an instant of the base clock. `errorUs` undefined: nothing is proven. */
export function readAt(from: Published, baseUs: number, suspendedUs = from.suspendedUs): Instant {
  const aheadUs = aheadAt(from, baseUs);
  const sleptUs = suspendedUs - from.suspendedUs;
  if (sleptUs > SUSPENDED_US) return { atUs: Math.round(baseUs + aheadUs + sleptUs) };
  const { lowUs, highUs } = provenAt(from, baseUs);
  const errorUs = Math.max(highUs - aheadUs, aheadUs - lowUs) + STAMP_ERROR_US;
  const atUs = Math.round(baseUs + aheadUs);
  return Number.isFinite(errorUs) ? { atUs, errorUs: Math.ceil(errorUs) } : { atUs };
}

/** The instant of the base clock at which readings come to `trueUs`. */
export function baseAt(from: Published, trueUs: number): number {
  // The lines are all but parallel to the base clock: each round is closer by a factor of 200.
  let baseUs = trueUs - from.aheadUs;
  for (let n = 0; n < 4; n += 1) baseUs = trueUs - aheadAt(from, baseUs);
  return baseUs;
}

const FIELDS = 14;
const SEQUENCE_BYTES = 8;
/** A write takes some microseconds, an attempt about one. */
const ATTEMPTS = 1_000;
const bytes = SEQUENCE_BYTES + FIELDS * Float64Array.BYTES_PER_ELEMENT;

export class SharedReading {
  readonly memory: SharedArrayBuffer;
  readonly #sequence: Int32Array;
  readonly #words: Int32Array;
  /** Fields on their way in or out, and the same memory as words. */
  readonly #fields = new Float64Array(FIELDS);
  readonly #own = new Int32Array(this.#fields.buffer);
  /** What was read last, and the sequence it was read at: most readings find it unchanged. */
  #last = nothing;
  #lastAt = 0;

  constructor(memory = new SharedArrayBuffer(bytes)) {
    this.memory = memory;
    this.#sequence = new Int32Array(memory, 0, 1);
    this.#words = new Int32Array(memory, SEQUENCE_BYTES, 2 * FIELDS);
  }

  /**
   * For the one thread that writes. While the sequence is odd, a write is under way. All of it is
   * atomic: plain accesses may pass those of the sequence, on machines that are not x86.
   */
  write(published: Published): void {
    const { proven, drift, status } = published;
    this.#fields.set([
      ...[published.refUs, published.aheadUs, published.rate, published.slewRate],
      ...[published.slewUs, proven.lowUs, proven.highUs, drift.low, drift.high],
      ...[published.suspendedUs, published.generation, statuses.indexOf(status)],
      ...[published.stratum, Number(published.relative)],
    ]);
    Atomics.add(this.#sequence, 0, 1);
    for (const [at, word] of this.#own.entries()) Atomics.store(this.#words, at, word);
    Atomics.add(this.#sequence, 0, 1);
  }

  /**
   * `onRace` is for tests: it is called between the two looks at the sequence. A writer that was
   * ended or put to sleep in the middle of a write holds nobody up: what was read before it still
   * holds, only its bound has grown a little.
   */
  read(onRace?: () => void): Published {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const before = Atomics.load(this.#sequence, 0);
      if (before === this.#lastAt) return this.#last;
      for (const at of this.#own.keys()) this.#own[at] = Atomics.load(this.#words, at);
      onRace?.();
      if (before % 2 !== 0 || Atomics.load(this.#sequence, 0) !== before) continue;
      this.#last = unpack([...this.#fields]);
      this.#lastAt = before;
    }
    return this.#last;
  }
}

function unpack(fields: readonly number[]): Published {
  const [refUs = 0, aheadUs = 0, rate = 0, slewRate = 0, slewUs = 0, ...rest] = fields;
  const [lowUs = 0, highUs = 0, low = 0, high = 0, suspendedUs = 0, ...last] = rest;
  const [generation = 0, status = 0, stratum = 0, relative = 0] = last;
  return {
    ...{ refUs, aheadUs, rate, slewRate, slewUs, suspendedUs, generation, stratum },
    proven: { lowUs, highUs },
    drift: { low, high },
    status: statuses[status] ?? 'none',
    relative: relative === 1,
  };
}
