/**
 * Waiting: for an operation's answers, or for processes to reach a state. A waiter looks again
 * only when something it is about has changed.
 */

import { isRunId } from '../../base/ids.ts';
import type { Shape } from '../../net/layout.ts';
import type { Controller } from './controller.ts';
import { Refusal } from './model/change.ts';
import { nodeNamed, selectNodes, taskNamed } from './model/resolve.ts';
import { operationRow, processRow } from './model/rows.ts';
import { latestRun } from './model/runs.ts';
import type { RunRecord, State } from './model/state.ts';

export type WaitFor = 'running' | 'ready' | 'suspended' | 'exited' | 'gone';

interface Waiter {
  readonly keys: readonly string[];
  look(): boolean;
}

export class Waits {
  readonly #controller: Controller;
  readonly #byKey = new Map<string, Set<Waiter>>();

  constructor(controller: Controller) {
    this.#controller = controller;
    controller.onChange((change) => {
      if (this.#byKey.size === 0) return;
      const keys = new Set<string>(change.operations);
      for (const run of change.runs) {
        keys.add(run);
        const task = controller.state.runs.get(run)?.task;
        if (task !== undefined) keys.add(task);
      }
      for (const event of change.events) if (event.task !== undefined) keys.add(event.task);
      for (const key of keys)
        for (const waiter of [...(this.#byKey.get(key) ?? [])]) this.#look(waiter);
    });
  }

  /** Calls `then` with the operation's row once it has ended. Returns how to stop waiting. */
  forOperation(id: string, then: (row: Shape<'operation'>) => void): () => void {
    const { state } = this.#controller;
    return this.#add([id], () => {
      const record = state.operations.get(id);
      if (!record || record.state === 'accepted') return false;
      then(operationRow(state, record));
      return true;
    });
  }

  /** Calls `then` once every process asked about is in that state, or can never reach it. */
  forProcesses(
    targets: readonly string[],
    on: string | undefined,
    waitFor: WaitFor,
    then: (rows: readonly Shape<'process'>[]) => void,
  ): () => void {
    const { state } = this.#controller;
    for (const target of targets) check(state, target, on);
    const keys = targets.map((target) => target.split('@')[0] ?? target);
    return this.#add(keys, () => {
      const runs = targets.map((target) => runsOfTarget(state, target, on));
      const nothing = runs.some((list) => list.length === 0);
      if (nothing && waitFor !== 'gone') return false;
      const all = [...new Set(runs.flat())];
      if (!all.every((run) => decided(run, waitFor))) return false;
      then(all.map((run) => processRow(state, run)));
      return true;
    });
  }

  #add(keys: readonly string[], look: () => boolean): () => void {
    const waiter: Waiter = { keys, look };
    if (look()) return () => undefined;
    for (const key of keys) {
      const set = this.#byKey.get(key) ?? new Set();
      this.#byKey.set(key, set.add(waiter));
    }
    return () => this.#remove(waiter);
  }

  #look(waiter: Waiter): void {
    if (waiter.look()) this.#remove(waiter);
  }

  #remove(waiter: Waiter): void {
    for (const key of waiter.keys) {
      const set = this.#byKey.get(key);
      set?.delete(waiter);
      if (set?.size === 0) this.#byKey.delete(key);
    }
  }
}

function check(state: State, target: string, on: string | undefined): void {
  if (on !== undefined) selectNodes(state, on);
  if (isRunId(target)) {
    if (!state.runs.has(target)) {
      throw new Refusal(
        'no-such-run',
        `there is no current run "${target}"`,
        'see: lotc admin ps --all',
      );
    }
    return;
  }
  const [task = '', node] = target.split('@', 2);
  taskNamed(state, task);
  if (node !== undefined) nodeNamed(state, node);
}

/** The latest run of a target on each node where there is one. */
export function runsOfTarget(
  state: State,
  target: string,
  on: string | undefined,
): readonly RunRecord[] {
  if (isRunId(target)) {
    const run = state.runs.get(target);
    return run ? [run] : [];
  }
  const [task = '', name] = target.split('@', 2);
  const nodes =
    name !== undefined
      ? [nodeNamed(state, name)]
      : on === undefined
        ? [...state.nodes.values()]
        : selectNodes(state, on);
  const runs: RunRecord[] = [];
  for (const node of nodes) {
    const run = latestRun(state, task, node.uid);
    if (run) runs.push(run);
  }
  // What has ended where an instance has left is not of the present.
  const { placed } = state.tasks.get(task) ?? {};
  const present = runs.filter(({ ended, uid }) => !ended || placed?.includes(uid));
  return placed && name === undefined && present.length > 0 ? present : runs;
}

function decided(run: RunRecord, waitFor: WaitFor): boolean {
  if (run.ended) return true;
  const { processState, ready } = run.row;
  if (waitFor === 'running') return processState === 'running';
  // A node that does not say so knows of no such thing.
  if (waitFor === 'ready') return processState === 'running' && ready !== false;
  return waitFor === 'suspended' && processState === 'suspended';
}
