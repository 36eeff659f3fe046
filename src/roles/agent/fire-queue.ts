/** What firings wait for: the end of any run of a task (`--overlap queue`), or of certain runs. */
import { firesBefore, type StoredFire } from './firing.ts';

interface Waiting {
  readonly stored: StoredFire;
}

/** By task, the earliest first. */
export class FireQueue<T extends Waiting> {
  readonly #queues = new Map<string, T[]>();

  sizeOf(task: string): number {
    return this.#queues.get(task)?.length ?? 0;
  }

  firstOf(task: string): T | undefined {
    return this.#queues.get(task)?.[0];
  }

  add(task: string, fire: T): void {
    const queue = this.#queues.get(task) ?? [];
    queue.push(fire);
    queue.sort((a, b) => (firesBefore(a.stored, b.stored) ? -1 : 1));
    this.#queues.set(task, queue);
  }

  remove(task: string, fire: T): void {
    const left = this.#queues.get(task)?.filter((other) => other !== fire) ?? [];
    if (left.length > 0) this.#queues.set(task, left);
    else this.#queues.delete(task);
  }
}

/** Begun firings by the runs they stand for. */
export class FiresByRun<T> {
  readonly #fires = new Map<string, Set<T>>();

  of(run: string): T[] {
    return [...(this.#fires.get(run) ?? [])];
  }

  add(runs: readonly string[], fire: T): void {
    for (const run of runs) {
      const fires = this.#fires.get(run);
      if (fires) fires.add(fire);
      else this.#fires.set(run, new Set([fire]));
    }
  }

  remove(runs: readonly string[], fire: T): void {
    for (const run of runs) {
      const fires = this.#fires.get(run);
      fires?.delete(fire);
      if (fires?.size === 0) this.#fires.delete(run);
    }
  }
}
