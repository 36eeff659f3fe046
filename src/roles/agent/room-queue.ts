/** Runs that wait for room, in the order of the queue; before whom another stands than before. */
import { comesBefore, type Waiting } from './room.ts';

export class RoomQueue {
  #inOrder: Waiting[] = [];
  readonly #byRun = new Map<string, Waiting>();
  /** Another stands before them than when this was last asked. */
  readonly #moved = new Set<string>();

  get size(): number {
    return this.#inOrder.length;
  }

  get inOrder(): readonly Waiting[] {
    return this.#inOrder;
  }

  get(run: string): Waiting | undefined {
    return this.#byRun.get(run);
  }

  /** Whether that changes anything. */
  put(one: Waiting): boolean {
    const old = this.#byRun.get(one.run);
    if (old && JSON.stringify(old) === JSON.stringify(one)) return false;
    if (old) this.remove(one.run);
    const at = this.#placeOf(one);
    this.#inOrder.splice(at, 0, one);
    this.#byRun.set(one.run, one);
    this.#touch(at);
    this.#touch(at + 1);
    return true;
  }

  remove(run: string): boolean {
    const old = this.#byRun.get(run);
    if (!old) return false;
    const at = this.#placeOf(old);
    this.#inOrder.splice(at, 1);
    this.#byRun.delete(run);
    this.#moved.delete(run);
    this.#touch(at);
    return true;
  }

  /** Those with another one before them, each with that one; undefined: it is the first. */
  moved(): readonly (readonly [Waiting, Waiting | undefined])[] {
    const [first] = this.#inOrder;
    if (first) this.#moved.add(first.run);
    const all = [...this.#moved].flatMap((run) => this.#byRun.get(run) ?? []);
    this.#moved.clear();
    return all.map((one) => [one, this.#inOrder[this.#placeOf(one) - 1]] as const);
  }

  #touch(at: number): void {
    const one = this.#inOrder[at];
    if (one) this.#moved.add(one.run);
  }

  /** Where it stands, or would. */
  #placeOf(one: Waiting): number {
    let [low, high] = [0, this.#inOrder.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#inOrder[middle];
      if (other && comesBefore(other, one)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
