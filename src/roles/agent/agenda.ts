/**
 * Who is due when: asked for the first at every step of the agent, among many of whom few ever
 * change. The first is looked for anew only when the one that was it has changed.
 */
export class Agenda {
  readonly #due = new Map<string, number>();
  #first: number | undefined;
  #isKnown = true;

  /** Undefined: never. */
  set(who: string, dueMs: number | undefined): void {
    const before = this.#due.get(who);
    if (before === dueMs) return;
    if (dueMs === undefined) this.#due.delete(who);
    else this.#due.set(who, dueMs);
    if (before !== undefined && before === this.#first) this.#isKnown = false;
    else if (dueMs !== undefined && dueMs < (this.#first ?? Number.POSITIVE_INFINITY)) {
      this.#first = dueMs;
    }
  }

  get firstMs(): number | undefined {
    if (!this.#isKnown) {
      this.#first = undefined;
      for (const ms of this.#due.values()) {
        if (ms < (this.#first ?? Number.POSITIVE_INFINITY)) this.#first = ms;
      }
      this.#isKnown = true;
    }
    return this.#first;
  }

  /** Who is due by then. */
  by(nowMs: number): readonly string[] {
    if ((this.firstMs ?? Number.POSITIVE_INFINITY) > nowMs) return [];
    return [...this.#due].filter(([, ms]) => ms <= nowMs).map(([who]) => who);
  }
}
