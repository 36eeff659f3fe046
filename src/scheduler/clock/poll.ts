/**
 * When a server is asked next. Four requests in the first second, so that there is a bound soon;
 * then as often as is worth it: where the base clock's possible drift since the last exchange
 * adds a quarter to the bound. A server that says it is asked too often (RATE) is asked half as
 * often, at least a minute apart; one that says to go away is left alone for a day.
 */

export interface PollLimits {
  readonly minUs: number;
  readonly maxUs: number;
}

export interface Standing {
  /** Half of what the source leaves open; undefined where it has not answered. */
  readonly halfUs: number | undefined;
  /** Requests since its last answer. */
  readonly silent: number;
}

/** Servers of one's own network, and those of others (RFC 8633 section 3). */
export const ownServers: PollLimits = { minUs: 1e6, maxUs: 64e6 };
export const publicServers: PollLimits = { minUs: 64e6, maxUs: 1_024e6 };

const BURST = 4;
const BURST_EVERY_US = 250_000;
const DRIFT = 50e-6;
const WORTH_US = 50;
const RATE_MIN_US = 64e6;
const DENIED_US = 86_400e6;
const JITTER = 0.1;

export class Poll {
  #limits: PollLimits;
  #burst = BURST;
  #slower = 1;
  #deniedUntilUs = Number.NEGATIVE_INFINITY;

  constructor(limits: PollLimits) {
    this.#limits = limits;
  }

  get isDenied(): boolean {
    return this.#deniedUntilUs > Number.NEGATIVE_INFINITY;
  }

  set limits(limits: PollLimits) {
    this.#limits = limits;
  }

  /** The next requests follow each other at once; a server that complained is spared. */
  burst(): void {
    if (this.#slower === 1) this.#burst = BURST;
  }

  kiss(kiss: string, atUs: number): void {
    this.#burst = 0;
    if (kiss === 'RATE') this.#slower = Math.min(this.#slower * 2, 16);
    else if (kiss === 'DENY' || kiss === 'RSTR') this.#deniedUntilUs = atUs + DENIED_US;
  }

  /** µs until the next request; `random` in [0, 1). */
  nextUs(atUs: number, { halfUs, silent }: Standing, random: number): number {
    if (this.#deniedUntilUs > atUs) return this.#deniedUntilUs - atUs;
    this.#deniedUntilUs = Number.NEGATIVE_INFINITY;
    if (this.#burst > 0) {
      this.#burst -= 1;
      if (this.#burst > 0) return BURST_EVERY_US;
    }
    const { minUs, maxUs } = this.#limits;
    const worthUs = halfUs === undefined ? 0 : Math.max(halfUs / 4, WORTH_US) / DRIFT;
    const wantedUs = Math.max(
      worthUs,
      silent > BURST ? minUs * 2 ** Math.min(silent - BURST, 6) : 0,
    );
    const everyUs = Math.min(Math.max(wantedUs, minUs), maxUs) * this.#slower;
    const sparedUs = this.#slower > 1 ? Math.max(everyUs, RATE_MIN_US) : everyUs;
    return sparedUs * (1 + JITTER * (2 * random - 1));
  }
}
