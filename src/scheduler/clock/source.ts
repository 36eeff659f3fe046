/**
 * One source of time: its last exchanges, what they prove together, and when to ask again.
 *
 * The bound is the intersection of the last 8 intervals, each widened by how far the base clock
 * may have drifted since; the estimate is a line through up to 64. An empty intersection means
 * that the base clock or the source jumped: then only the newest exchange counts. A jump shorter
 * than the round trip can hide, until the 8 exchanges before it are gone; with more of them it
 * would hide for longer, and the bound would hardly be tighter (measured: under 2 %).
 */
import { type Fit, fit } from './fit.ts';
import type { Sample } from './reply.ts';

/** Where true time minus base time lies, and how fast either end may move. */
export interface Interval {
  readonly lowUs: number;
  readonly highUs: number;
}

/** How the base clock may drift against true time, µs a µs. */
export interface Drift {
  readonly low: number;
  readonly high: number;
}

const BOUND_SAMPLES = 8;
const FIT_SAMPLES = 64;
/** A crystal keeps within 50 ppm; until there is a line to judge it by, 200 are allowed. */
const DRIFT_MAX = 50e-6;
const DRIFT_UNJUDGED = 200e-6;
const JUDGED_SAMPLES = 16;
const JUDGED_US = 64e6;
/** So many requests unanswered: by one that answered before, and by one that never did. */
const GONE_AFTER = 24;
const NEVER_AFTER = 8;

export class TimeSource {
  #samples: Sample[] = [];
  /** One bit an exchange, the last is the lowest: 1 where it was answered. */
  #reach = 0;
  #silent = 0;
  stratum: number | undefined;
  leap = 0;
  /** What was wrong with the last answer, or why there is none. */
  fault: string | undefined;

  get reach(): number {
    return this.#reach;
  }

  /** Nothing was heard for so long that it is no source any more. */
  get isGone(): boolean {
    return this.#silent >= (this.#samples.length > 0 ? GONE_AFTER : NEVER_AFTER);
  }

  get newest(): Sample | undefined {
    return this.#samples.at(-1);
  }

  get count(): number {
    return this.#samples.length;
  }

  /** A request is about to leave. */
  asked(): void {
    this.#reach = (this.#reach << 1) & 0xff;
    this.#silent += 1;
  }

  /** Takes an exchange; true where it contradicts those before it, which are then forgotten. */
  add(sample: Sample): boolean {
    this.#reach |= 1;
    this.#silent = 0;
    this.fault = undefined;
    this.#samples.push(sample);
    if (this.#samples.length > FIT_SAMPLES) this.#samples.shift();
    const { lowUs, highUs } = this.interval(sample.cameUs);
    if (lowUs <= highUs) return false;
    this.#samples = [sample];
    return true;
  }

  forget(): void {
    this.#samples = [];
  }

  /** What the newest exchanges prove at `atUs`; empty (low above high) where they contradict. */
  interval(atUs: number, drift = this.drift(atUs)): Interval {
    let lowUs = Number.NEGATIVE_INFINITY;
    let highUs = Number.POSITIVE_INFINITY;
    for (let n = Math.max(0, this.#samples.length - BOUND_SAMPLES); ; n += 1) {
      const sample = this.#samples[n];
      if (!sample) return { lowUs, highUs };
      lowUs = Math.max(lowUs, sample.lowUs + drift.low * (atUs - sample.sentUs));
      highUs = Math.min(highUs, sample.highUs + drift.high * (atUs - sample.sentUs));
    }
  }

  /** The line through the samples at `atUs`, within what is proven. */
  estimate(atUs: number): Fit | undefined {
    if (this.#samples.length === 0) return undefined;
    const line = fit(this.#samples, atUs);
    const { lowUs, highUs } = this.interval(atUs);
    return { ...line, aheadUs: Math.min(Math.max(line.aheadUs, lowUs), highUs) };
  }

  /**
   * What the base clock's rate may be. The widest that a sound crystal has is always allowed, so
   * the bound is no matter of statistics; a line that is sure of more widens it.
   */
  drift(atUs: number): Drift {
    const [oldest] = this.#samples;
    if (!oldest || this.#samples.length < JUDGED_SAMPLES || atUs - oldest.sentUs < JUDGED_US) {
      return { low: -DRIFT_UNJUDGED, high: DRIFT_UNJUDGED };
    }
    const { rate, rateError } = this.#line(atUs);
    const marginal = 3 * rateError + 10e-6;
    return {
      low: Math.max(-DRIFT_UNJUDGED, Math.min(-DRIFT_MAX, rate - marginal)),
      high: Math.min(DRIFT_UNJUDGED, Math.max(DRIFT_MAX, rate + marginal)),
    };
  }

  #judged: { newest: Sample | undefined; line: Fit } | undefined;

  #line(atUs: number): Fit {
    const { newest } = this;
    if (this.#judged?.newest !== newest || !this.#judged) {
      this.#judged = { newest, line: fit(this.#samples, atUs) };
    }
    return this.#judged.line;
  }
}
