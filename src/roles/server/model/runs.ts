/**
 * Run records and their indexes. A run stays in the living set until it has ended and a later run
 * of its task on its node has begun; ended runs without a task go when their operation is over.
 * One that is armed for an instant to come has not begun: what ended before it is still the latest.
 */
import type { Shape } from '../../../net/layout.ts';
import type { Change } from './change.ts';
import { endedStates, type RunRecord, type State } from './state.ts';

export const runsKey = (task: string, uid: string): string => `${task} ${uid}`;

export function indexRun(state: State, record: RunRecord): void {
  const { index } = state;
  if (record.task !== undefined) {
    const key = runsKey(record.task, record.uid);
    index.runsOf.set(key, [...(index.runsOf.get(key) ?? []), record.run]);
    const on = index.ranOn.get(record.task) ?? new Set<string>();
    index.ranOn.set(record.task, on.add(record.uid));
  }
  index.runsOn.set(record.uid, new Set([...(index.runsOn.get(record.uid) ?? []), record.run]));
  for (const { task } of record.held?.away ?? []) {
    index.heldFor.set(task, (index.heldFor.get(task) ?? new Set()).add(record.run));
  }
}

/** Its start is no longer held back; for the caller to put. */
export function endHold({ index }: State, record: RunRecord): RunRecord {
  for (const { task } of record.held?.away ?? []) {
    const held = index.heldFor.get(task);
    if (held?.delete(record.run) && held.size === 0) index.heldFor.delete(task);
  }
  return { ...record, held: undefined };
}

export function addRun(change: Change, record: RunRecord): void {
  const { state } = change;
  state.runs.set(record.run, record);
  indexRun(state, record);
  change.runs.add(record.run);
  if (!isArmed(record)) supersede(state, record);
}

export function isArmed({ row, ended }: RunRecord): boolean {
  return row.processState === 'armed' && !ended;
}

/** What has ended before a run that began is history. */
function supersede(state: State, record: RunRecord): void {
  if (record.task === undefined) return;
  for (const other of state.index.runsOf.get(runsKey(record.task, record.uid)) ?? []) {
    if (other !== record.run && state.runs.get(other)?.ended) dropRun(state, other);
  }
}

export function dropRun(state: State, run: string): void {
  const record = state.runs.get(run);
  if (!record) return;
  endHold(state, record);
  state.runs.delete(run);
  const { index } = state;
  if (record.task !== undefined) {
    const key = runsKey(record.task, record.uid);
    const left = (index.runsOf.get(key) ?? []).filter((id) => id !== run);
    if (left.length > 0) index.runsOf.set(key, left);
    else {
      index.runsOf.delete(key);
      const on = index.ranOn.get(record.task);
      if (on?.delete(record.uid) && on.size === 0) index.ranOn.delete(record.task);
    }
  }
  const on = new Set(index.runsOn.get(record.uid));
  on.delete(run);
  if (on.size === 0) index.runsOn.delete(record.uid);
  else index.runsOn.set(record.uid, on);
}

export function latestRun(state: State, task: string, uid: string): RunRecord | undefined {
  const runs = state.index.runsOf.get(runsKey(task, uid)) ?? [];
  const begun = runs.findLast((id) => {
    const run = state.runs.get(id);
    return run && !isArmed(run);
  });
  return state.runs.get(begun ?? runs.at(-1) ?? '');
}

/** Live runs of a task on a node, in order of creation: more than one where they may overlap. */
export function liveRunsOf(state: State, task: string, uid: string): readonly RunRecord[] {
  const live: RunRecord[] = [];
  for (const id of state.index.runsOf.get(runsKey(task, uid)) ?? []) {
    const run = state.runs.get(id);
    if (run && !run.ended) live.push(run);
  }
  return live;
}

/** The same that verbs are about: what is armed for an instant to come only where nothing runs. */
export function presentRunsOf(state: State, task: string, uid: string): readonly RunRecord[] {
  const live = liveRunsOf(state, task, uid);
  const begun = live.filter((run) => !isArmed(run));
  return begun.length > 0 ? begun : live;
}

/** All live runs of a task, or of everything; of one node where `uid` is given. */
export function* liveRuns(
  state: State,
  where: { readonly task?: string | undefined; readonly uid?: string | undefined },
): Generator<RunRecord> {
  const ids =
    where.uid === undefined ? state.runs.keys() : (state.index.runsOn.get(where.uid) ?? []);
  for (const id of [...ids]) {
    const record = state.runs.get(id);
    if (!record || record.ended) continue;
    if (where.task === undefined || record.task === where.task) yield record;
  }
}

/** The state verbs are judged by: what the last unanswered order will make of the run. */
export function judgedState(record: RunRecord): string {
  if (record.ended) return 'ended';
  if (record.ordered === 'down') return 'stopping';
  return record.ordered ?? record.row.processState;
}

/** Suspended for nothing but want of room: nobody wants it so. */
export function isPreempted(record: RunRecord | undefined): boolean {
  if (!record || record.ended || record.ordered !== undefined) return false;
  const { processState, preemptedBy, suspendedBy } = record.row;
  return processState === 'suspended' && preemptedBy !== undefined && suspendedBy === undefined;
}

export function putRun(change: Change, record: RunRecord): void {
  change.state.runs.set(record.run, record);
  change.runs.add(record.run);
}

/** A new row for a run: as its node reported it, or as the server must conclude it. */
export function setRow(change: Change, record: RunRecord, row: Shape<'process'>): void {
  const ended = endedStates.has(row.processState);
  const next = { ...record, row, ended, ordered: ended ? undefined : record.ordered };
  putRun(change, next);
  if (isArmed(record) && !isArmed(next)) supersede(change.state, next);
  // Once more where the server had concluded how it ended, and the node knew better.
  const { processState, startedAt } = record.row;
  const isKnown = record.ended && processState === row.processState && startedAt === row.startedAt;
  if (ended && !isKnown)
    change.history.push({ kind: 'run', process: rowOf(change.state, row, record) });
}

/** The row as everybody sees it, with the names the server knows. */
export function rowOf(state: State, row: Shape<'process'>, record: RunRecord): Shape<'process'> {
  const on = state.nodes.get(record.uid);
  const [node, containment] = [on?.name, row.containment ?? (on?.containment || undefined)];
  const { run, task, operation, createdAt } = record;
  const bundle = record.digest ?? row.bundle;
  return { ...row, run, task, node: node ?? row.node, operation, createdAt, bundle, containment };
}
