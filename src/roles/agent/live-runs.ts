/** Which runs have not ended, by task: asked at every step, among many that have. */
import { hasEnded } from '../../supervisor/states.ts';
import type { StoredRun } from './events.ts';

const NO_TASK = '';
const none: ReadonlySet<string> = new Set();

export class LiveRuns {
  /** In order of creation. */
  readonly #byTask = new Map<string, Set<string>>();

  /** A run as it now is. */
  put({ process, order }: StoredRun): void {
    const { task = NO_TASK } = order;
    const runs = this.#byTask.get(task);
    if (hasEnded(process.state)) {
      runs?.delete(process.run);
      if (runs?.size === 0) this.#byTask.delete(task);
    } else if (runs) runs.add(process.run);
    else this.#byTask.set(task, new Set([process.run]));
  }

  of(task: string): ReadonlySet<string> {
    return this.#byTask.get(task) ?? none;
  }

  *all(): Generator<string> {
    for (const runs of this.#byTask.values()) yield* runs;
  }
}
