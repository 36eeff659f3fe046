/**
 * Which node holds which schedules, and the tasks they start. A schedule is one object; what each
 * node is assigned of it follows from the selectors, so a node that joins or changes its labels is
 * judged like all others, and has only the instants after that.
 *
 * Nothing here knows rules or instants: a plan is carried, not read.
 */
import { matches } from '../../../base/selector.ts';
import { assign, bundleItem, retell, withdraw } from './assignment.ts';
import type { Change } from './change.ts';
import { bundleSelects, isWithin, selectorOf, taskSelects } from './resolve.ts';
import type { NodeRecord, ScheduleRecord, State } from './state.ts';

const itemOf = (schedule: string): string => `schedule:${schedule}`;
const taskItemOf = (task: string): string => `task:${task}`;
const useKey = (task: string, uid: string): string => `${task} ${uid}`;

export function indexSchedule(state: State, { plan }: ScheduleRecord): void {
  const { schedule, task } = plan;
  const { schedulesOf, bundleSchedules } = state.index;
  if (task === undefined) {
    bundleSchedules.add(schedule);
    return;
  }
  const ids = schedulesOf.get(task);
  if (ids) ids.add(schedule);
  else schedulesOf.set(task, new Set([schedule]));
}

/** How many schedules of a task a node holds, out of the assignments a snapshot brought. */
export function indexPlacements(state: State): void {
  for (const [uid, { items }] of state.assignments) {
    for (const { plan } of items.values())
      if (plan?.task !== undefined) use(state, plan.task, uid, 1);
  }
}

function use(state: State, task: string, uid: string, by: 1 | -1): number {
  const { taskUses } = state.index;
  const key = useKey(task, uid);
  const uses = (taskUses.get(key) ?? 0) + by;
  if (uses === 0) taskUses.delete(key);
  else taskUses.set(key, uses);
  return uses;
}

/** Nodes a schedule is for, those that are to come included. */
export function scheduleSelects(
  state: State,
  { plan, within }: ScheduleRecord,
  node: NodeRecord,
): boolean {
  if (node.removing !== undefined || !isWithin(within, node)) return false;
  if (plan.on !== undefined && !matches(selectorOf(plan.on), node)) return false;
  if (plan.task !== undefined) {
    const task = state.tasks.get(plan.task);
    return task !== undefined && task.removing === undefined && taskSelects(state, task, node);
  }
  const bundle = state.bundles.get(plan.bundle ?? '');
  return plan.action === 'load' || (bundle !== undefined && bundleSelects(bundle, node));
}

/** Since when a schedule is its nodes' own: from now on, also where it was held before. */
export interface Placing {
  readonly anew?: boolean | undefined;
}

export function placeSchedule(change: Change, record: ScheduleRecord, placing: Placing = {}): void {
  for (const node of change.state.nodes.values()) placeOn(change, record, node, placing);
}

function placeOn(change: Change, record: ScheduleRecord, node: NodeRecord, placing: Placing): void {
  const { state, command } = change;
  const { uid } = node;
  const item = itemOf(record.plan.schedule);
  const old = state.assignments.get(uid)?.items.get(item);
  if (!scheduleSelects(state, record, node)) {
    if (old) takeFrom(change, record, uid);
    return;
  }
  const { action } = record.plan;
  const starts = action === 'start' || action === 'restart';
  const draining = starts && node.draining !== undefined;
  const paused = record.paused || record.pausedOn.includes(uid) || node.paused === true;
  if (old && !placing.anew && old.plan?.revision === record.plan.revision) {
    const { paused: rests = false, draining: drained = false } = old.plan;
    if (rests === paused && drained === draining) return;
  }
  const resumed = old?.plan?.paused === true && !paused;
  const at = old && !placing.anew && !resumed ? old.at : command.at;
  const { task } = record.plan;
  if (task !== undefined && !old && use(state, task, uid, 1) === 1) placeTask(change, task, uid);
  const marks = { ...(paused ? { paused } : {}), ...(draining ? { draining } : {}) };
  const plan = paused || draining ? { ...record.plan, ...marks } : record.plan;
  assign(change, uid, { item, entry: 'schedule', at, plan });
  if (paused && old && !old.plan?.paused) retellCode(change, record, uid);
}

/** By its own clock an instant may have come that now comes for nobody else. */
function retellCode(change: Change, { plan }: ScheduleRecord, uid: string): void {
  const { action, bundle = '' } = plan;
  if (action === 'load' || action === 'unload') retell(change, uid, bundleItem(bundle));
}

function takeFrom(change: Change, record: ScheduleRecord, uid: string): void {
  const { task, schedule } = record.plan;
  withdraw(change, uid, itemOf(schedule));
  retellCode(change, record, uid);
  if (task !== undefined && use(change.state, task, uid, -1) === 0)
    withdraw(change, uid, taskItemOf(task));
}

/** Withdraws a schedule from all nodes and forgets it. */
export function dropSchedule(change: Change, record: ScheduleRecord): void {
  const { state } = change;
  const { schedule, task } = record.plan;
  for (const [uid, { items }] of state.assignments)
    if (items.has(itemOf(schedule))) takeFrom(change, record, uid);
  state.schedules.delete(schedule);
  state.index.bundleSchedules.delete(schedule);
  if (task === undefined) return;
  const ids = state.index.schedulesOf.get(task);
  ids?.delete(schedule);
  if (ids?.size === 0) state.index.schedulesOf.delete(task);
}

export function schedulesOf(state: State, task: string): readonly ScheduleRecord[] {
  const records: ScheduleRecord[] = [];
  for (const id of state.index.schedulesOf.get(task) ?? []) {
    const record = state.schedules.get(id);
    if (record) records.push(record);
  }
  return records;
}

function placeTask(change: Change, name: string, uid: string): void {
  const record = change.state.tasks.get(name);
  if (!record) return;
  const { task, spec, revision, enabled } = record;
  assign(change, uid, { item: taskItemOf(name), entry: 'task', task, spec, revision, enabled });
}

/** A task that changed: what its schedules start, and where. */
export function placeSchedulesOf(change: Change, task: string): void {
  const records = schedulesOf(change.state, task);
  if (records.length === 0) return;
  for (const [uid, { items }] of change.state.assignments)
    if (items.has(taskItemOf(task))) placeTask(change, task, uid);
  for (const record of records) placeSchedule(change, record);
}

/** A bundle's selection decides for tasks that have none of their own. */
export function placeSchedulesOfBundle(change: Change, bundle: string): void {
  for (const name of [...change.state.index.schedulesOf.keys()]) {
    const spec = change.state.tasks.get(name)?.spec;
    if (spec?.bundle === bundle && spec.on === undefined) placeSchedulesOf(change, name);
  }
  for (const id of change.state.index.bundleSchedules) {
    const record = change.state.schedules.get(id);
    if (record?.plan.bundle === bundle) placeSchedule(change, record);
  }
}

/** A node that joined, changed its labels, or is (no longer) paused or about to go. */
export function placeSchedulesOn(change: Change, uid: string): void {
  const node = change.state.nodes.get(uid);
  if (!node) return;
  for (const record of change.state.schedules.values()) placeOn(change, record, node, {});
}

/** The node is gone, and its assignment with it. */
export function forgetPlacements(state: State, uid: string): void {
  for (const item of state.assignments.get(uid)?.items.values() ?? [])
    if (item.plan?.task !== undefined) use(state, item.plan.task, uid, -1);
  for (const [id, record] of state.schedules) {
    if (!record.pausedOn.includes(uid)) continue;
    const pausedOn = record.pausedOn.filter((other) => other !== uid);
    state.schedules.set(id, { ...record, pausedOn });
  }
}
