/**
 * What runs of this node wait for of others here (docs/DEPENDENCIES.md): judged by the runs
 * themselves, whether the server is there or not. Stored nowhere, for it follows from the runs.
 */
import {
  type Condition,
  counts,
  isCondition,
  placeOf,
  standingOf,
  waitsFor,
} from '../../supervisor/condition.ts';
import { isWaiting } from '../../supervisor/states.ts';
import type { Item, StoredRun } from './events.ts';
import { gateOf } from './firing.ts';
import type { Waits } from './room-tally.ts';
import { rowOf } from './row.ts';

export type Hold = { readonly waits: string } | { readonly failed: string };

interface After {
  readonly task: string;
  readonly on: string;
  readonly run?: string | undefined;
  readonly at?: number | undefined;
}

/** An order says what it waits for; of a firing that is what its task does, since its instant. */
const afterOf = ({ afterTasks, spec }: Item): readonly After[] =>
  afterTasks ?? spec?.afterTasks ?? [];

export class Dependencies {
  /** All runs of a task, ended ones too. */
  readonly #runs = new Map<string, Map<string, StoredRun>>();
  /** Pending runs by the tasks they are to start after. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #woken: string[] = [];
  readonly #get: (run: string) => StoredRun | undefined;
  #isWaking = false;

  constructor(get: (run: string) => StoredRun | undefined) {
    this.#get = get;
  }

  /** A run as it now is. */
  put(stored: StoredRun): void {
    const { process, order } = stored;
    const { task = '' } = order;
    const runs = this.#runs.get(task) ?? new Map<string, StoredRun>();
    this.#runs.set(task, runs.set(process.run, stored));
    for (const after of afterOf(order)) {
      const waiting = this.#waiting.get(after.task) ?? new Set<string>();
      if (process.state === 'pending') this.#waiting.set(after.task, waiting.add(process.run));
      else if (waiting.delete(process.run) && waiting.size === 0) this.#waiting.delete(after.task);
    }
  }

  forget({ process, order }: StoredRun): void {
    const { task = '' } = order;
    const runs = this.#runs.get(task);
    runs?.delete(process.run);
    if (runs?.size === 0) this.#runs.delete(task);
    for (const after of afterOf(order)) this.#waiting.get(after.task)?.delete(process.run);
  }

  /** A run of `task` has changed: who waits for it is looked at; no deeper than one at a time. */
  wake(task: string | undefined, evaluate: (run: string) => void): void {
    const waiting = task === undefined ? undefined : this.#waiting.get(task);
    if (waiting) this.#woken.push(...waiting);
    if (this.#isWaking) return;
    this.#isWaking = true;
    for (let run = this.#woken.shift(); run !== undefined; run = this.#woken.shift()) evaluate(run);
    this.#isWaking = false;
  }

  /** Which runs wait for which, as far as there are some. */
  waits(atUs: number): Waits {
    const waits: [StoredRun, StoredRun][] = [];
    for (const [task, runs] of this.#waiting) {
      for (const stored of [...runs].flatMap((run) => this.#get(run) ?? [])) {
        const { order, process } = stored;
        const since = order.at ?? process.createdAt;
        for (const { task: other, on, run, at = since } of afterOf(order)) {
          if (other !== task) continue;
          const seen = this.#latest(task, at, run === undefined ? [] : [run], atUs);
          const condition: Condition = isCondition(on) ? on : 'success';
          if (seen && standingOf(condition, rowOf(seen)) === 'open') waits.push([stored, seen]);
        }
      }
    }
    return waits;
  }

  /** Why a run cannot start yet, or never will; undefined: nothing holds it. */
  holdOf({ order, process }: StoredRun, node: string, atUs: number): Hold | undefined {
    const since = order.at ?? process.createdAt;
    let waits: string | undefined;
    for (const { task, on, run, at = since } of afterOf(order)) {
      const condition: Condition = isCondition(on) ? on : 'success';
      const seen = this.#latest(task, at, run === undefined ? [] : [run], atUs);
      // As of a restart that the server orders: nobody restarts what it waited for the first time.
      if (!seen && order.previous !== undefined && order.afterTasks === undefined) continue;
      const standing = standingOf(condition, seen && rowOf(seen));
      if (standing === 'met') continue;
      if (standing !== 'open') return { failed: `${placeOf(task, node)} ${standing.failed}` };
      waits ??= waitsFor(task, on, node === '' ? [] : [node]);
    }
    return waits === undefined ? undefined : { waits };
  }

  #latest(
    task: string,
    at: number,
    livedThen: readonly string[],
    atUs: number,
  ): StoredRun | undefined {
    let latest: StoredRun | undefined;
    for (const stored of this.#runs.get(task)?.values() ?? []) {
      const { process, order } = stored;
      // It gave way to another; or its instant is still to come, and it never was before that.
      if (process.errorCode === 'running') continue;
      if (isWaiting(process.state) && (gateOf(order) ?? 0) > atUs) continue;
      if (!counts(rowOf(stored), at, livedThen)) continue;
      if (!latest || madeAt(stored) >= madeAt(latest)) latest = stored;
    }
    return latest;
  }
}

const madeAt = ({ order, process }: StoredRun): number => order.at ?? process.createdAt;
