/**
 * Which tasks are placed on which nodes, by node: an index over the records of tasks (state.ts),
 * with what those tasks ask for there. Whoever changes a task's spec or places puts it by this.
 */
import type { Shape } from '../../../net/layout.ts';
import { askOf, milli } from '../../../supervisor/room.ts';
import { type Load, noLoad, sumOf } from './place.ts';
import type { State, TaskRecord } from './state.ts';

export function loadOf(spec: Shape<'spec'>): Load {
  const { slots, cores, memoryBytes } = askOf(spec);
  return { count: 1, slots, milliCores: milli(cores), memoryBytes };
}

/** Nodes that have an instance, also one that leaves. */
export function* occupiedBy(task: TaskRecord | undefined): Generator<string> {
  yield* task?.placed ?? [];
  for (const { uid } of task?.leaving ?? []) yield uid;
}

/** How many more instances a task wants than have a node, or leave one. */
export function missingOf({ spec, placed = [], leaving = [] }: TaskRecord): number {
  return Math.max(0, (spec.instances ?? 0) - placed.length - leaving.length);
}

/** `undefined`: the task is gone. */
export function putTask(state: State, name: string, next: TaskRecord | undefined): void {
  const old = state.tasks.get(name);
  const { placed, leaving, spec } = old ?? {};
  if (placed !== next?.placed || leaving !== next?.leaving || spec !== next?.spec) {
    count(state, old, -1);
    count(state, next, 1);
  }
  if (next) state.tasks.set(name, next);
  else state.tasks.delete(name);
  const isShort = next && (missingOf(next) > 0 || next.leaving?.length || next.owed?.length);
  if (isShort) state.index.short.add(name);
  else state.index.short.delete(name);
}

/** After a snapshot. */
export function indexPlaces(state: State): void {
  for (const [name, task] of [...state.tasks]) {
    count(state, task, 1);
    putTask(state, name, task);
  }
}

function count({ index }: State, task: TaskRecord | undefined, sign: 1 | -1): void {
  if (!task?.placed) return;
  const load = loadOf(task.spec);
  for (const uid of occupiedBy(task)) {
    const sum = sumOf(index.asked.get(uid) ?? noLoad, load, sign);
    if (sum.count === 0) index.asked.delete(uid);
    else index.asked.set(uid, sum);
    const names = index.placedOn.get(uid) ?? new Set<string>();
    if (sign === 1) index.placedOn.set(uid, names.add(task.task));
    else names.delete(task.task);
    if (names.size === 0) index.placedOn.delete(uid);
  }
}
