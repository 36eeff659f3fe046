/**
 * What the start of a task waits for (docs/DEPENDENCIES.md): which tasks may depend on which, and
 * for each start what its node judges by itself and what only the server can (held.ts).
 */
import { few } from '../../../base/few.ts';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { conditions, isCondition } from '../../../supervisor/condition.ts';
import { Refusal } from './change.ts';
import type { Away } from './records.ts';
import { selects, taskNamed, taskSelects } from './resolve.ts';
import { liveRunsOf } from './runs.ts';
import type { NodeRecord, ScheduleRecord, State, TaskRecord } from './state.ts';

type Spec = Shape<'spec'>;
type After = Shape<'after'>;

/** Refuses a spec by its own words; whom it names is judged by `checkPredecessors`. */
export function checkAfter({ afterTasks = [] }: Spec): void {
  if (afterTasks.length > limits.predecessors) {
    const most = limits.predecessors;
    throw new Refusal('usage', `after ${afterTasks.length} tasks; at most ${most}`);
  }
  const seen = new Set<string>();
  for (const { task, on } of afterTasks) {
    if (!isCondition(on)) {
      throw new Refusal('usage', `after ${task}: "${on}" is none of ${conditions.join(', ')}`);
    }
    if (seen.has(task)) throw new Refusal('usage', `after ${task}: it stands there twice`);
    seen.add(task);
  }
}

/** Every predecessor exists, and none of them waits for this task in the end. */
export function checkPredecessors(state: State, task: string, spec: Spec): void {
  const { afterTasks = [] } = spec;
  for (const after of afterTasks) if (after.task !== task) taskNamed(state, after.task);
  const path = pathBack(state, task, afterTasks);
  if (!path) return;
  const text = `task "${task}" would wait for itself: ${path.join(' -> ')}`;
  throw new Refusal('cycle', text, 'each of these starts after the one before it');
}

/** The same for tasks that come together; where no cycle is, it costs one look at each task. */
export function checkTogether(state: State, documents: readonly Shape<'document'>[]): void {
  const isClear = isAcyclic(state);
  for (const { task = '', spec } of documents) {
    if (!spec) continue;
    if (!isClear) checkPredecessors(state, task, spec);
    for (const after of spec.afterTasks ?? []) taskNamed(state, after.task);
  }
}

/** Whether all tasks can be put in an order in which each stands behind its predecessors. */
function isAcyclic(state: State): boolean {
  const behind = new Map<string, string[]>();
  const open = new Map<string, number>();
  for (const [name, { spec }] of state.tasks) {
    const known = (spec.afterTasks ?? []).filter(({ task }) => state.tasks.has(task));
    open.set(name, known.length);
    for (const { task } of known) {
      const names = behind.get(task);
      if (names) names.push(name);
      else behind.set(task, [name]);
    }
  }
  const free = [...open].filter(([, count]) => count === 0).map(([name]) => name);
  for (const name of free) {
    for (const next of behind.get(name) ?? []) {
      const left = (open.get(next) ?? 0) - 1;
      open.set(next, left);
      if (left === 0) free.push(next);
    }
  }
  return free.length === open.size;
}

/** The shortest way from a task over those that start after it back to it. */
function pathBack(
  state: State,
  task: string,
  first: readonly After[],
): readonly string[] | undefined {
  const cameFrom = new Map(first.map((after) => [after.task, task]));
  for (const at of cameFrom.keys()) {
    if (at === task) {
      const path = [task];
      let step = cameFrom.get(task) ?? task;
      for (; step !== task; step = cameFrom.get(step) ?? task) path.push(step);
      return [...path, task];
    }
    for (const { task: next } of state.tasks.get(at)?.spec.afterTasks ?? [])
      if (!cameFrom.has(next)) cameFrom.set(next, at);
  }
  return undefined;
}

/** Tasks that start after this one, but for those that go with it. */
export function successorsOf(
  state: State,
  task: string,
  besides: readonly string[] = [],
): readonly string[] {
  const names: string[] = [];
  for (const [name, { spec }] of state.tasks) {
    if (besides.includes(name)) continue;
    if (spec.afterTasks?.some((after) => after.task === task)) names.push(name);
  }
  return names.sort();
}

/** Why a task that others start after cannot go. */
export function neededText(task: string, successors: readonly string[]): string {
  const named = successors.map((name) => `"${name}"`);
  return `task "${task}" is a predecessor of ${few(named, SUCCESSORS_NAMED)}`;
}

const SUCCESSORS_NAMED = 10;

/** What a start on a node waits for. */
export interface Waits {
  /** Of runs on the same node. */
  readonly here: readonly After[];
  readonly away: readonly Away[];
}

export interface Starting {
  readonly task: string;
  readonly uid: string;
  readonly spec: Spec;
  readonly at: number;
  /** A restart waits only for what lives, or is started with it. */
  readonly restartsWith?: readonly string[] | undefined;
}

export function waitsOf(state: State, starting: Starting): Waits {
  const { uid, spec, at, restartsWith } = starting;
  const here: After[] = [];
  const away: Away[] = [];
  for (const { task, on } of spec.afterTasks ?? []) {
    const uids = placesOf(state, { task, spec }, uid);
    const runs = uids.flatMap((one) => liveRunsOf(state, task, one).map(({ run }) => run));
    if (restartsWith && runs.length === 0 && !restartsWith.includes(task)) continue;
    if (uids.length === 1 && uids[0] === uid) here.push({ task, on, run: runs.at(-1), at });
    else away.push({ task, on, uids, runs });
  }
  return { here, away };
}

/** The nodes whose runs of a predecessor count: the start's own where it is there, else all. */
function placesOf(
  state: State,
  { task, spec }: { readonly task: string; readonly spec: Spec },
  uid: string,
): readonly string[] {
  const record = state.tasks.get(task);
  if (!record) return [];
  const isThere = (node: NodeRecord): boolean =>
    taskSelects(state, record, node) || liveRunsOf(state, task, node.uid).length > 0;
  const own = state.nodes.get(uid);
  if (own && isThere(own) && spec.afterAll !== true) return [uid];
  return [...state.nodes.values()].filter(isThere).map((node) => node.uid);
}

/** A firing waits for runs of its own node alone; what waits for others cannot be scheduled. */
export function checkFirings(state: State, record: TaskRecord, plan: ScheduleRecord['plan']): void {
  const { task, spec } = record;
  if (plan.action !== 'start' && plan.action !== 'restart') return;
  if (spec.onAgentLost === 'move' && (plan.env ?? plan.arguments)) {
    const text = `task "${task}" may move, and what a schedule adds to a start would not go along`;
    const hint = `give the variables and arguments to the task: lotc admin task set ${task}`;
    throw new Refusal('unsupported', text, hint);
  }
  for (const node of state.nodes.values()) {
    if (!taskSelects(state, record, node)) continue;
    if (plan.on !== undefined && !selects(plan.on, node)) continue;
    for (const after of spec.afterTasks ?? []) {
      const uids = placesOf(state, { task: after.task, spec }, node.uid);
      if (uids.length === 1 && uids[0] === node.uid) continue;
      const text = `task "${task}" on ${node.name} starts after "${after.task}", which is on other nodes: a schedule cannot wait for that`;
      throw new Refusal('unsupported', text, `put "${after.task}" where "${task}" is`);
    }
  }
}
