/** What shims, or the thread, have done at instants: the last deed of each kind, by run. */
import type { Acted, TimedAct } from './events.ts';

/** An instant may have moved by as much since it was done. */
const EARLY_US = 1_000;

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
