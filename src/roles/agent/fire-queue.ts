/**
 * What firings wait for: the end of any run of a task (`--overlap queue`), or of certain runs; or
 * that what is held for a later one has been taken back.
 */
import { limits } from '../../base/limits.ts';
import { firesBefore, type StoredFire } from './firing.ts';

interface Waiting {
  readonly stored: StoredFire;
}

/** By task, the earliest first. */
export class FireQueue<T extends Waiting> {
  readonly #queues = new Map<string, T[]>();
  /** Tasks of which one that waits may have its turn. */
  readonly #turns = new Set<string>();

  sizeOf(task: string): number {
    return this.#queues.get(task)?.length ?? 0;
  }

  /** Why no more can wait; undefined: there is room. */
  fullWhy(task: string): string | undefined {
    if (this.sizeOf(task) < limits.firesQueued) return undefined;
    return `${limits.firesQueued} firings of task "${task}" wait already`;
  }

  of(task: string): readonly T[] {
    return [...(this.#queues.get(task) ?? [])];
  }

  giveTurn(task: string): void {
    if (this.#queues.has(task)) this.#turns.add(task);
  }

  /** Those whose turn it is. */
  takeTurns(): readonly string[] {
    const turns = [...this.#turns];
    this.#turns.clear();
    return turns;
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
