/**
 * How long to wait before the next try: exponential with full jitter, so that a fleet which lost
 * its server does not come back in one wave (Brooker, "Exponential Backoff And Jitter", 2015).
 * Knows no timer and no randomness: the caller brings a number in [0, 1) and does the waiting.
 */
import { limits } from '../base/limits.ts';

export class Backoff {
  #tries = 0;

  /** Milliseconds to wait; the range doubles with every call. */
  next(random01: number): number {
    this.#tries += 1;
    const { reconnectMinMs: min, reconnectMaxMs: max } = limits;
    const ceiling = Math.min(max, min * 2 ** this.#tries);
    return Math.round(min + random01 * (ceiling - min));
  }

  /** A try succeeded: the next failure begins at the short end again. */
  reset(): void {
    this.#tries = 0;
  }
}
