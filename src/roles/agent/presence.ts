/**
 * Since when this life of the agent has had a clock without a gap: at an instant before that
 * nobody was there, so it was missed; one after it is late at worst. Where true time and the
 * monotonic clock part by more within one step than any correction does, the clock was put.
 */
import type { Time } from './events.ts';

const JUMP_US = 1_000_000;
const MICROSECONDS = 1_000;

export class Presence {
  #seen: Time | undefined;
  #sinceUs = 0;

  get sinceUs(): number {
    return this.#sinceUs;
  }

  observe(time: Time): void {
    const last = this.#seen;
    this.#seen = time;
    if (!last) {
      this.#sinceUs = time.atUs;
      return;
    }
    const jumpUs = time.atUs - last.atUs - (time.nowMs - last.nowMs) * MICROSECONDS;
    if (jumpUs > JUMP_US) this.#sinceUs = time.atUs;
    else if (jumpUs < -JUMP_US) this.#sinceUs = Math.min(this.#sinceUs, time.atUs);
  }
}
