/**
 * The role's clock: the system clock in microseconds, with the error the kernel's own discipline
 * claims where it says that it is synchronised (adjtimex(2)); otherwise the error is unknown and
 * said to be. It never changes the system clock.
 *
 * Timers and the shim sleep on CLOCK_MONOTONIC: `monotonicOf` says when an instant of true time
 * comes there, and `onMoved` when such an answer has become wrong.
 */
import type { Clock, Instant } from '../base/clock.ts';
import { type BaseClock, openBaseClock } from './base-clock.io.ts';

export interface ClockFacts {
  readonly synchronized: boolean;
  readonly clockErrorUs?: number | undefined;
  readonly source: string;
}

export interface SystemClock extends Clock {
  facts(): ClockFacts;
  /** CLOCK_MONOTONIC in µs, as the shim is told its instants. */
  monotonicUs(): number;
  /** True time (µs since 1970) at an instant of CLOCK_MONOTONIC, by what is known now. */
  trueAt(monotonicUs: number): number;
  /** The instant of CLOCK_MONOTONIC at which true time will be `trueUs`, by what is known now. */
  monotonicOf(trueUs: number): number;
  /**
   * Calls back when true time has moved against CLOCK_MONOTONIC by more than `movedUs` since the
   * last call: what was armed by `monotonicOf` wants a new instant. Returns what ends it.
   */
  onMoved(callback: () => void): () => void;
}

const FACTS_EVERY_MS = 16_000;
/** A process starts within some hundred µs of its instant: less is not worth moving it. */
const MOVED_US = 100;
const LOOK_EVERY_MS = 1_000;

export async function openClock(): Promise<SystemClock> {
  return new Wall(await openBaseClock());
}

class Wall implements SystemClock {
  readonly #base: BaseClock;
  #facts: ClockFacts;
  #readAtMs = performance.now();
  #listeners: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #toldUs = 0;

  constructor(base: BaseClock) {
    this.#base = base;
    this.#facts = factsOf(base);
  }

  monotonicMs(): number {
    return performance.now();
  }

  monotonicUs(): number {
    return this.#base.monotonicUs();
  }

  now(): Instant {
    return { atUs: Math.round(this.#base.wallUs()), errorUs: this.facts().clockErrorUs };
  }

  facts(): ClockFacts {
    const nowMs = performance.now();
    if (nowMs - this.#readAtMs > FACTS_EVERY_MS) {
      this.#facts = factsOf(this.#base);
      this.#readAtMs = nowMs;
    }
    return this.#facts;
  }

  trueAt(monotonicUs: number): number {
    return Math.round(monotonicUs + this.#aheadUs());
  }

  monotonicOf(trueUs: number): number {
    return Math.round(trueUs - this.#aheadUs());
  }

  onMoved(callback: () => void): () => void {
    if (this.#listeners.length === 0) this.#toldUs = this.#aheadUs();
    this.#listeners.push(callback);
    this.#timer ??= setInterval(() => this.#look(), LOOK_EVERY_MS).unref();
    return () => {
      this.#listeners = this.#listeners.filter((one) => one !== callback);
      if (this.#listeners.length > 0) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  /** True time minus CLOCK_MONOTONIC. */
  #aheadUs(): number {
    // The pair that was read closest together is the one to believe.
    let best = { apartUs: Number.POSITIVE_INFINITY, aheadUs: 0 };
    for (let n = 0; n < 3; n += 1) {
      const beforeUs = this.#base.monotonicUs();
      const wallUs = this.#base.wallUs();
      const apartUs = this.#base.monotonicUs() - beforeUs;
      const aheadUs = wallUs - (beforeUs + apartUs / 2);
      if (apartUs < best.apartUs) best = { apartUs, aheadUs };
    }
    return best.aheadUs;
  }

  #look(): void {
    const aheadUs = this.#aheadUs();
    if (Math.abs(aheadUs - this.#toldUs) <= MOVED_US) return;
    this.#toldUs = aheadUs;
    for (const listener of [...this.#listeners]) listener();
  }
}

function factsOf(base: BaseClock): ClockFacts {
  const kernel = base.kernel();
  if (!kernel?.synchronized) return { synchronized: false, source: 'system' };
  return { synchronized: true, clockErrorUs: kernel.errorUs, source: 'kernel' };
}
