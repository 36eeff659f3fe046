/**
 * Who has gone above a bound: told once, and again only after it was clearly below. Pure. Without
 * the gap between the two, a value that trembles at its bound would be news at every reading.
 */

/** Of the bound: below this share what was told is over. */
const CALM_RATIO = 0.9;

export class Threshold {
  readonly #told = new Set<string>();

  /** True where it is news that this one is above. */
  crossed(who: string, value: number, bound: number): boolean {
    if (value < bound * CALM_RATIO) this.#told.delete(who);
    if (value <= bound || this.#told.has(who)) return false;
    this.#told.add(who);
    return true;
  }

  /** Forgets all but these. */
  keep(who: ReadonlySet<string>): void {
    for (const one of this.#told) if (!who.has(one)) this.#told.delete(one);
  }
}
