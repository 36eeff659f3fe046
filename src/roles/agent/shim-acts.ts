/** What shims, or the thread, have done at instants: the last deed of each kind, by run. */
import type { Acted, TimedAct } from './events.ts';

/**
 * By as much the instant at which something was done may seem to come before the one it was done
 * for: the clock's estimate has moved in between. Two estimates, each within 25 ms of the truth,
 * are 50 ms apart; instants of a schedule are never nearer to one another than 100 ms.
 */
const EARLY_US = 50_000;

export class ShimActs {
  readonly #byRun = new Map<string, Map<TimedAct, Acted>>();

  put(run: string, acted: Acted): void {
    const acts = this.#byRun.get(run) ?? new Map<TimedAct, Acted>();
    this.#byRun.set(run, acts.set(acted.act, acted));
  }

  /** A deed at that instant or after it. */
  since(run: string, act: TimedAct, sinceUs: number): Acted | undefined {
    const acted = this.#byRun.get(run)?.get(act);
    return acted && acted.atUs >= sinceUs - EARLY_US ? acted : undefined;
  }

  /** The first of these that was done at that instant or after it. */
  first(run: string, acts: readonly TimedAct[], sinceUs: number): Acted | undefined {
    for (const act of acts) {
      const acted = this.since(run, act, sinceUs);
      if (acted) return acted;
    }
    return undefined;
  }

  forget(run: string): void {
    this.#byRun.delete(run);
  }
}
