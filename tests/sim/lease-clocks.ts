/** The clocks and the agenda of the lease simulation (lease.ts), made to be cheap. */
import type { Instant } from '../../src/base/clock.ts';
import type { Prng } from '../../src/base/prng.ts';

/** A clock that runs at a rate of its own, like CLOCK_BOOTTIME while it is slewed. */
export class Rated {
  #fromUs: number;
  #valueUs: number;
  rate: number;
  /** Of what it counted, what was asleep. */
  asleepUs = 0;

  constructor(valueUs: number, rate: number, fromUs = 0) {
    this.#fromUs = fromUs;
    this.#valueUs = valueUs;
    this.rate = rate;
  }

  at(trueUs: number): number {
    return this.#valueUs + (trueUs - this.#fromUs) * this.rate;
  }

  /** True time at which it shows that. */
  whenUs(valueUs: number): number {
    return this.#fromUs + (valueUs - this.#valueUs) / this.rate;
  }

  turn(trueUs: number, rate: number): void {
    this.#valueUs = this.at(trueUs);
    this.#fromUs = trueUs;
    this.rate = rate;
  }
}

/** True time within a bound that holds: at one of its ends all the time, or anywhere. */
export class UncertainClock {
  readonly #random: Prng;
  readonly #errorUs: number;
  readonly #lean: number;
  unknownUntil = 0;

  constructor(random: Prng, worstUs: number) {
    this.#random = random;
    this.#errorUs = random.chance(0.5) ? worstUs : random.int(0, worstUs);
    this.#lean = random.pick([-1, 1, 0]);
  }

  read(trueUs: number): Instant {
    const random = this.#random;
    if (this.unknownUntil > trueUs) return { atUs: trueUs + random.int(-1e9, 1e9) };
    const share = this.#lean === 0 ? random.float() * 2 - 1 : this.#lean;
    return { atUs: trueUs + share * this.#errorUs, errorUs: this.#errorUs };
  }
}

interface Due {
  readonly atUs: number;
  readonly no: number;
  readonly happens: () => void;
}

/** What is to happen, by true time; what is due at once in the order it was asked for. */
export class Agenda {
  nowUs = 0;
  events = 0;
  readonly #heap: Due[] = [];
  #no = 0;

  after(us: number, happens: () => void): void {
    this.at(this.nowUs + us, happens);
  }

  at(atUs: number, happens: () => void): void {
    this.#no += 1;
    const due = { atUs: Math.max(atUs, this.nowUs), no: this.#no, happens };
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Due;
      if (!isBefore(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  runUntil(endUs: number, isOver: () => boolean): void {
    for (let next = this.#heap[0]; next && next.atUs <= endUs; next = this.#heap[0]) {
      if (isOver()) return;
      this.#pop();
      this.nowUs = next.atUs;
      this.events += 1;
      next.happens();
    }
    this.nowUs = endUs;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      const right = heap[child + 1];
      if (right && isBefore(right, heap[child] as Due)) child += 1;
      const below = heap[child] as Due;
      if (!isBefore(below, last)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

const isBefore = (a: Due, b: Due): boolean => a.atUs < b.atUs || (a.atUs === b.atUs && a.no < b.no);
