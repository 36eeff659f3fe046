/** Work on one thing is done in the order it was asked for; different things do not wait. */
export class InOrder {
  readonly #tails = new Map<string, Promise<void>>();
  readonly #failed: (key: string, error: unknown) => void;

  /** `failed` hears of work that threw; what stands behind it is done all the same. */
  constructor(failed: (key: string, error: unknown) => void) {
    this.#failed = failed;
  }

  do(key: string, act: () => void | Promise<void>): void {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const mine = before.then(act).catch((error: unknown) => this.#failed(key, error));
    this.#tails.set(key, mine);
    void mine.then(() => {
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
    });
  }

  /** Resolves when all that was asked for so far is done. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
