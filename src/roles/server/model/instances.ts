/**
 * Where the instances of a task are: kept on its record, and looked at again when the task, its
 * nodes or what runs there has changed; never because a node is busier than it was. What has a
 * place keeps it, but for draining, removal, or a task that wants it there no longer: then it is
 * stopped, and only when its end is known another node is chosen. docs/PLACEMENT.md has the rules.
 */
import type { Change } from './change.ts';
import { chooseFor, reasonsOf } from './choosing.ts';
import { absenceOf, isLeft, isWanted, leastOf, refusalOn } from './eligible.ts';
import { endHeld } from './held.ts';
import { operationId, sendOrder } from './operations.ts';
import { endOwed, startOwed } from './owed.ts';
import { placeSchedulesOf } from './placement.ts';
import { missingOf, putTask } from './places.ts';
import type { Leaving, Owed } from './records.ts';
import { selects, taskMatches } from './resolve.ts';
import { isArmed, liveRunsOf, putRun, runsKey } from './runs.ts';
import type { NodeRecord, RunRecord, State, TaskRecord } from './state.ts';

export interface Settling {
  /** A start: what is placed on nodes that are away, and has not begun there, may go elsewhere. */
  readonly fresh?: boolean | undefined;
  /** Whatever leaves is told to stop, also where it was before. */
  readonly again?: boolean | undefined;
}

/** At the end of a command: every task whose places may have to change. */
export function settlePlaces(change: Change): void {
  const { state, placing } = change;
  const named = [...placing];
  placing.clear();
  for (const name of named) settleTask(change, name, { again: true });
  if (state.index.short.size === 0) return;
  const seen = new Set(named);
  for (const run of change.runs) {
    const task = state.runs.get(run)?.task;
    if (task === undefined || seen.has(task) || !state.index.short.has(task)) continue;
    seen.add(task);
    settleTask(change, task);
  }
}

export function settleTask(change: Change, name: string, settling: Settling = {}): void {
  const task = change.state.tasks.get(name);
  if (!task || task.removing !== undefined) return;
  if (task.spec.instances !== undefined) settle(change, task, task.spec.instances, settling);
  else if (task.placed) scatter(change, task);
  startOnNodes(change, name);
}

/** It is no longer so many: it belongs wherever it matches. */
function scatter(change: Change, task: TaskRecord): void {
  const back = (task.leaving ?? []).flatMap(({ uid, again }) => (again ? [{ ...again, uid }] : []));
  const owed = [...(task.owed ?? []).filter(({ uid }) => uid !== undefined), ...back];
  putTask(change.state, task.task, {
    ...task,
    placed: undefined,
    chosen: undefined,
    leaving: undefined,
    owed,
  });
  placeSchedulesOf(change, task.task);
}

function settle(change: Change, task: TaskRecord, instances: number, settling: Settling): void {
  const { kept, going } = sift(change, task, settling);
  const { state } = change;
  while (kept.length > instances) {
    const uid = leastOf(state, task, kept);
    kept.splice(kept.indexOf(uid), 1);
    const gone = leave(change, task, {
      uid,
      why: `${instances} ${instances === 1 ? 'is' : 'are'} wanted`,
    });
    going.push({ ...gone, again: undefined });
  }
  const owed = (task.owed ?? []).map((one): Owed => ({ ...one, uid: undefined }));
  const still: Leaving[] = [];
  for (const one of going) {
    if (liveRunsOf(state, task.task, one.uid).length > 0) still.push(one);
    else if (one.again) owed.push(one.again);
  }
  const next = { ...task, placed: kept, leaving: still, owed };
  const chosen = chooseFor(change, next);
  const placed = [...kept, ...chosen.map(({ uid }) => uid)];
  const full = { ...next, placed, chosen: reasonsOf(change, next, { kept, chosen }) };
  putTask(state, task.task, full);
  tell(change, task, full, going);
  for (const node of chosen) startOn(change, task.task, node);
  forgetSurplus(change, task.task);
}

/** What stays where it is, and what leaves. */
function sift(
  change: Change,
  task: TaskRecord,
  { fresh, again }: Settling,
): { readonly kept: string[]; readonly going: Leaving[] } {
  const { state } = change;
  const kept: string[] = [];
  const going: Leaving[] = [];
  for (const one of task.leaving ?? []) {
    if (isBack(state, task, one)) kept.push(one.uid);
    else going.push(again ? leave(change, task, one) : one);
  }
  for (const uid of task.placed ?? runningOn(state, task)) {
    const why = whyNotOn(state, task, uid, fresh);
    if (why === undefined) kept.push(uid);
    else going.push(leave(change, task, { uid, why }));
  }
  return { kept, going };
}

/** A task that has just become one of so many: where it runs is where it is. */
function runningOn({ index, nodes, runs }: State, { task }: TaskRecord): readonly string[] {
  const isLive = (run: string): boolean => {
    const record = runs.get(run);
    return record !== undefined && !record.ended && !isArmed(record);
  };
  const found: NodeRecord[] = [];
  for (const uid of index.ranOn.get(task) ?? []) {
    const node = nodes.get(uid);
    if (node && index.runsOf.get(runsKey(task, uid))?.some(isLive)) found.push(node);
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ uid }) => uid);
}

/** Why an instance does not stay where it is, as the end of a sentence. */
function whyNotOn(
  state: State,
  task: TaskRecord,
  uid: string,
  fresh: boolean | undefined,
): string | undefined {
  const node = state.nodes.get(uid);
  if (!node) return 'its node was removed';
  if (!taskMatches(state, task, node)) return `it does not match node ${node.name} any more`;
  const absence = absenceOf(node);
  if (node.removing !== undefined || node.draining !== undefined) return absence;
  return fresh && liveRunsOf(state, task.task, uid).length === 0 ? absence : undefined;
}

/** It was to leave, and may stay: nothing of it has been told to stop. */
function isBack(state: State, task: TaskRecord, { uid }: Leaving): boolean {
  if (whyNotOn(state, task, uid, false) !== undefined) return false;
  const live = liveRunsOf(state, task.task, uid);
  return live.length > 0 && live.every((run) => isWanted(run));
}

/** What is owed for a run that leaves its node, or has left it. */
function anewOf({ state, command }: Change, { uid, given }: RunRecord, why: string): Owed {
  const left = { node: state.nodes.get(uid)?.name ?? '', why };
  return { ...given, left, who: command.who, at: command.at };
}

/** Stops what is to leave; the answer says what of it is wanted elsewhere. */
function leave(change: Change, task: TaskRecord, leaving: Leaving): Leaving {
  const { state } = change;
  let { again } = leaving;
  for (const run of liveRunsOf(state, task.task, leaving.uid)) {
    if (isLeft(task, run) || !isWanted(run)) continue;
    again = anewOf(change, run, leaving.why);
    stopRun(change, task, run, leaving.why);
  }
  return { ...leaving, again };
}

export function stopRun(change: Change, task: TaskRecord, run: RunRecord, why: string): void {
  if (run.held) {
    endHeld(change, run, why, 'cancelled');
    return;
  }
  const id = operationId(change);
  const { stopSignal, stopGraceMs } = task.spec;
  const order = `${id}/${change.next()}`;
  sendOrder(
    change,
    { id, uid: run.uid, order },
    { verb: 'stop', run: run.run, task: task.task, stopSignal, stopGraceMs },
  );
  const record = change.state.runs.get(run.run);
  if (record) putRun(change, { ...record, ordered: 'down' });
}

function tell(change: Change, old: TaskRecord, next: TaskRecord, going: readonly Leaving[]): void {
  const [before, after] = [old.placed ?? [], next.placed ?? []];
  if (after.length === before.length && after.every((uid, index) => uid === before[index])) return;
  placeSchedulesOf(change, next.task);
  const nameOf = (uid: string): string => change.state.nodes.get(uid)?.name ?? '';
  const came = after.filter((uid) => !before.includes(uid)).map(nameOf);
  const gone = going
    .filter(({ uid }) => before.includes(uid))
    .map(({ uid, why }) => `leaves ${nameOf(uid)}: ${why}`);
  const told = [...(came.length > 0 ? [`is placed on ${came.join(', ')}`] : []), ...gone];
  if (told.length === 0) return;
  const text = `task "${next.task}" ${told.join('; ')}`;
  change.event({ kind: 'task-placed', text, task: next.task, node: came[0] });
}

/** A place that was found: for a start that is owed, or for a wish that stands. */
function startOn(change: Change, name: string, node: NodeRecord): void {
  const { state, command } = change;
  const task = state.tasks.get(name);
  if (!task) return;
  const [first, ...rest] = task.owed ?? [];
  if (first) {
    putTask(state, name, { ...task, owed: rest });
    startOwed(change, task, node, first);
    return;
  }
  const isWished = task.wished?.some((text) => selects(text, node)) ?? false;
  if (task.spec.restart !== 'always' || !isWished || !task.enabled) return;
  startOwed(change, task, node, { who: command.who, at: command.at });
}

/** More is owed than is wanted: there are fewer instances now. */
function forgetSurplus(change: Change, name: string): void {
  const task = change.state.tasks.get(name);
  if (!task?.owed?.length) return;
  const missing = missingOf(task);
  const surplus = task.owed.slice(missing);
  if (surplus.length === 0) return;
  for (const owed of surplus) {
    const text = `task "${name}" wants no more instances`;
    endOwed(change, owed, { ok: true, task: name, unchanged: true, text });
  }
  putTask(change.state, name, { ...task, owed: task.owed.slice(0, missing) });
}

/** What is owed on one node: it begins once that is no longer draining, and nothing runs there. */
function startOnNodes(change: Change, name: string): void {
  const { state } = change;
  for (const owed of state.tasks.get(name)?.owed ?? []) {
    if (owed.uid === undefined) continue;
    const node = state.nodes.get(owed.uid);
    if (node?.draining !== undefined) continue;
    const isRunning = liveRunsOf(state, name, owed.uid).some((run) => !isArmed(run));
    if (node && isRunning) continue;
    const task = state.tasks.get(name);
    if (!task) return;
    putTask(state, name, { ...task, owed: task.owed?.filter((one) => one !== owed) });
    const isMatched = node && node.removing === undefined && taskMatches(state, task, node);
    if (isMatched) startOwed(change, task, node, owed);
    else {
      const text = `node ${node?.name ?? ''} is none of task "${name}" any more`;
      endOwed(change, owed, { ok: false, task: name, code: 'not-selected', text });
    }
  }
}

/** A node has changed: looks again at what has an instance there, is owed one, or may now. */
export function lookAgain({ state, placing }: Change, uid: string): void {
  const node = state.nodes.get(uid);
  for (const name of state.index.placedOn.get(uid) ?? []) placing.add(name);
  for (const name of state.index.short) {
    const task = state.tasks.get(name);
    if (!task || placing.has(name)) continue;
    const isOpen =
      node && taskMatches(state, task, node) && refusalOn(state, task, node) === undefined;
    if (isOpen || task.owed?.some((owed) => owed.uid === uid)) placing.add(name);
  }
}

/**
 * Takes an instance from a node without its word: that is gone, or its lease has run out. Another
 * node is chosen at the end of the command, and if it ran, it begins there. What is on record of
 * it there is left as it is.
 */
export function replace(change: Change, name: string, uid: string, why: string): void {
  const { state } = change;
  const task = state.tasks.get(name);
  if (!task?.placed) return;
  const isIt = (one: { readonly uid: string }): boolean => one.uid === uid;
  const leaving = task.leaving ?? [];
  if (!task.placed.includes(uid) && !leaving.some(isIt)) return;
  const run = liveRunsOf(state, name, uid).findLast(
    (one) => (one.lease || !isLeft(task, one)) && isWanted(one),
  );
  const again = run ? anewOf(change, run, why) : leaving.find(isIt)?.again;
  putTask(state, name, {
    ...task,
    placed: task.placed.filter((one) => one !== uid),
    leaving: leaving.filter((one) => !isIt(one)),
    owed: [...(task.owed ?? []), ...(again ? [again] : [])],
  });
  placeSchedulesOf(change, name);
  change.placing.add(name);
}
