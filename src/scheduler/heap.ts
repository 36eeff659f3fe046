/**
 * A binary heap whose entries know where they are, so that one can be moved or taken out from the
 * middle in logarithmic time. The least by `before` is on top.
 */

export interface Placed {
  /** Where it is in the heap; -1 outside. */
  place: number;
}

export class Heap<T extends Placed> {
  readonly #entries: T[] = [];
  readonly #before: (a: T, b: T) => boolean;

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before;
  }

  get size(): number {
    return this.#entries.length;
  }

  get top(): T | undefined {
    return this.#entries[0];
  }

  /** Puts an entry in, or to its new place after it has changed. */
  put(entry: T): void {
    if (entry.place < 0) {
      entry.place = this.#entries.length;
      this.#entries.push(entry);
    }
    this.#up(entry);
    this.#down(entry);
  }

  take(entry: T): void {
    const { place } = entry;
    if (place < 0) return;
    entry.place = -1;
    const last = this.#entries.pop();
    if (!last || last === entry) return;
    this.#set(last, place);
    this.#up(last);
    this.#down(last);
  }

  #up(entry: T): void {
    while (entry.place > 0) {
      const parent = this.#entries[(entry.place - 1) >> 1];
      if (!parent || !this.#before(entry, parent)) return;
      this.#swap(entry, parent);
    }
  }

  #down(entry: T): void {
    for (;;) {
      const left = this.#entries[2 * entry.place + 1];
      const right = this.#entries[2 * entry.place + 2];
      const child = right && left && this.#before(right, left) ? right : left;
      if (!child || !this.#before(child, entry)) return;
      this.#swap(entry, child);
    }
  }

  #swap(a: T, b: T): void {
    const { place } = a;
    this.#set(a, b.place);
    this.#set(b, place);
  }

  #set(entry: T, place: number): void {
    this.#entries[place] = entry;
    entry.place = place;
  }
}
