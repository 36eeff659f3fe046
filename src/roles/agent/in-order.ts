/**
 * Work on one thing is done in the order it was asked for; different things do not wait. What
 * nothing stands before begins in the call itself.
 */
export class InOrder {
  readonly #tails = new Map<string, { readonly done: Promise<void> }>();
  readonly #failed: (key: string, error: unknown) => void;

  /** `failed` hears of work that threw; what stands behind it is done all the same. */
  constructor(failed: (key: string, error: unknown) => void) {
    this.#failed = failed;
  }

  do(key: string, act: () => void | Promise<void>): void {
    const before = this.#tails.get(key)?.done;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const mine = { done };
    this.#tails.set(key, mine);
    const work = async (): Promise<void> => {
      try {
        if (before) await before;
        await act();
      } catch (error) {
        this.#failed(key, error);
      }
      if (this.#tails.get(key) === mine) this.#tails.delete(key);
      resolve();
    };
    void work();
  }

  /** Resolves when all that was asked for so far is done. */
  async idle(): Promise<void> {
    await Promise.all([...this.#tails.values()].map(({ done }) => done));
  }
}
