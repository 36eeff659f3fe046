/** Tasks: defined, changed, marked (OK, NOK), removed. */
import { canonicalText } from '../../../base/canonical.ts';
import { limits } from '../../../base/limits.ts';
import { pathGlobFault } from '../../../base/path-glob.ts';
import { labelFault } from '../../../base/selector.ts';
import type { Shape } from '../../../net/layout.ts';
import { livenessFault } from '../../../supervisor/liveness-spec.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import {
  checkAfter,
  checkFirings,
  checkPredecessors,
  neededText,
  successorsOf,
} from './dependencies.ts';
import { endHeld, failHeldFor } from './held.ts';
import { settleTask } from './instances.ts';
import { checkLease } from './lease-rules.ts';
import { checkLimits } from './limits.ts';
import { giveOrder, openOperation, operationId } from './operations.ts';
import { cancelOwed } from './owed.ts';
import { dropSchedule, placeSchedulesOf, schedulesOf } from './placement.ts';
import { putTask } from './places.ts';
import { checkProgram } from './program.ts';
import { bundleNamed, checkSelector, taskNamed } from './resolve.ts';
import { answerRow } from './rows.ts';
import { dropRun, isArmed, liveRuns, putRun } from './runs.ts';
import type { Answer, Reply, State, TaskRecord } from './state.ts';
import { refusalOf } from './verbs.ts';

export function addTask(change: Change, body: CommandBody<'taskAdd'>): Reply {
  const { state, command } = change;
  const { task, spec, mode } = body;
  const old = state.tasks.get(task);
  checkProgram(spec);
  checkPolicy(spec);
  checkGlobs(spec);
  checkSpread(spec);
  checkAfter(spec);
  if (spec.bundle !== undefined) bundleNamed(state, spec.bundle);
  if (spec.on !== undefined) checkSelector(state, spec.on);
  if (mode === 'set' && !old) taskNamed(state, task);
  if (old?.removing !== undefined) {
    throw new Refusal(
      'in-use',
      `task "${task}" is being removed`,
      'try again when its processes have ended',
    );
  }
  const enabled = body.enabled ?? old?.enabled ?? true;
  if (old && sameSpec(old.spec, spec) && old.enabled === enabled) {
    return { ok: true, body: { revision: old.revision, unchanged: true } };
  }
  if (old && mode === 'create') {
    throw new Refusal(
      'exists',
      `task "${task}" exists with another content (revision ${old.revision})`,
      `to change it: lotc admin task set ${task} …`,
    );
  }
  if (!old && state.tasks.size >= limits.tasks) {
    throw new Refusal(
      'too-large',
      `there are ${limits.tasks} tasks already, the most a server holds`,
    );
  }
  const revision = (old?.revision ?? 0) + 1;
  const { at, who } = command;
  const record: TaskRecord = {
    ...{ task, spec, enabled, revision, at, who },
    createdAt: old?.createdAt ?? at,
    ...{ within: change.within, wished: old?.wished },
    ...{ placed: old?.placed, leaving: old?.leaving, owed: old?.owed },
  };
  checkLease(command, task, spec);
  checkLimits(state, record);
  // Manifests bring tasks in any order; they are judged together.
  if (mode !== 'apply') checkPredecessors(state, task, spec);
  for (const { plan } of schedulesOf(state, task)) checkFirings(state, record, plan);
  putTask(state, task, record);
  settleTask(change, task, { again: true });
  placeSchedulesOf(change, task);
  change.event({
    kind: old ? 'task-changed' : 'task-created',
    text: `task "${task}" ${old ? 'changed' : 'created'}, revision ${revision}`,
    task,
  });
  return { ok: true, body: { revision } };
}

function checkPolicy(spec: Shape<'spec'>): void {
  const { restart, backoffMinMs = 0, backoffMaxMs = Infinity, serverLostMs = 0 } = spec;
  if (serverLostMs > 0 && serverLostMs < limits.serverLostMinMs) {
    const text = `a server that is silent for ${serverLostMs} ms is not lost; at least`;
    throw new Refusal('usage', `${text} ${limits.serverLostMinMs} ms`);
  }
  if (restart !== undefined && !['no', 'on-failure', 'always'].includes(restart)) {
    throw new Refusal('usage', `restart "${restart}" is none of no, on-failure, always`);
  }
  if (backoffMinMs > backoffMaxMs) {
    throw new Refusal('usage', `a backoff of ${backoffMinMs}..${backoffMaxMs} ms is none`);
  }
  const fault = livenessFault(spec);
  if (fault !== undefined) throw new Refusal('usage', fault);
}

function checkSpread({ instances, spread }: Shape<'spec'>): void {
  if (instances === 0) throw new Refusal('usage', 'instances: 0 are none; at least 1');
  if (spread === undefined) return;
  const fault = labelFault(spread, '');
  if (fault !== undefined) throw new Refusal('usage', `spread "${spread}": ${fault}`);
  if (instances === undefined) {
    throw new Refusal('usage', 'what is on all its nodes is not spread; say --instances too');
  }
}

function checkGlobs({ results = [] }: Shape<'spec'>): void {
  if (results.length > limits.resultGlobs) {
    throw new Refusal('too-large', `${results.length} globs; at most ${limits.resultGlobs}`);
  }
  for (const glob of results) {
    const fault = pathGlobFault(glob);
    if (fault !== undefined) throw new Refusal('usage', `--results "${glob}": ${fault}`);
  }
}

const sameSpec = (a: Shape<'spec'>, b: Shape<'spec'>): boolean =>
  canonicalText(a) === canonicalText(b);

export function markTasks(change: Change, names: readonly string[], enabled: boolean): Reply {
  const { state, command } = change;
  const answers: Answer[] = [];
  for (const name of new Set(names)) {
    const old = state.tasks.get(name);
    if (!old) {
      answers.push({
        ok: false,
        task: name,
        code: 'no-such-task',
        text: `there is no task "${name}"`,
        hint: 'see: lotc admin task ls',
      });
    } else if (old.enabled === enabled) {
      answers.push({ ok: true, task: name, unchanged: true });
    } else {
      const revision = old.revision + 1;
      state.tasks.set(name, { ...old, enabled, revision, at: command.at, who: command.who });
      placeSchedulesOf(change, name);
      const text = `task "${name}" ${enabled ? 'enabled' : 'disabled'}`;
      change.event({ kind: enabled ? 'task-enabled' : 'task-disabled', text, task: name });
      answers.push({ ok: true, task: name });
    }
  }
  if (!answers.some((answer) => answer.ok)) throw refusalOf(answers);
  return { ok: true, body: { answers: answers.map(answerRow) } };
}

export function removeTasks(change: Change, body: CommandBody<'taskRm'>): Reply {
  const { state } = change;
  const answers: Answer[] = [];
  const gone: TaskRecord[] = [];
  for (const name of new Set(body.names)) {
    const task = state.tasks.get(name);
    const use = useOf(state, name);
    if (!task) {
      answers.push({
        ok: false,
        task: name,
        code: 'no-such-task',
        text: `there is no task "${name}"`,
        hint: 'see: lotc admin task ls',
      });
    } else if (use && body.force !== true) {
      answers.push({ ok: false, task: name, code: 'running', ...use });
    } else if (body.force !== true && successorsOf(state, name, body.names).length > 0) {
      const text = neededText(name, successorsOf(state, name, body.names));
      const hint = `to remove it all the same: lotc admin task rm ${name} --force`;
      answers.push({ ok: false, task: name, code: 'in-use', text, hint });
    } else gone.push(task);
  }
  if (gone.length === 0) throw refusalOf(answers);
  const operation = openOperation(change, { verb: 'task rm', targets: body.names });
  for (const task of gone) {
    answers.push({ ok: true, task: task.task });
    removeTask(change, task, operation.operation);
  }
  const now = state.operations.get(operation.operation) ?? operation;
  state.operations.set(operation.operation, { ...now, answers });
  return { ok: true, body: { operation: operation.operation, answers: answers.map(answerRow) } };
}

/** Why a task cannot go by itself: something of it lives, and not only waits for its instant. */
export function useOf(
  state: State,
  name: string,
): { readonly node: string; readonly text: string; readonly hint: string } | undefined {
  const first = liveRuns(state, { task: name }).find((run) => !isArmed(run));
  if (!first) return undefined;
  const node = state.nodes.get(first.uid)?.name ?? '';
  const { processState } = first.row;
  const text = `task "${name}" is in use: run ${first.run} on node ${node} (state: ${processState})`;
  const hint = `stop it first: lotc admin stop ${name} --wait; or: lotc admin task rm ${name} --force`;
  return { node, text, hint };
}

export function removeTask(change: Change, task: TaskRecord, operation: string): void {
  const { state } = change;
  for (const record of schedulesOf(state, task.task)) dropSchedule(change, record);
  const all = [...liveRuns(state, { task: task.task })];
  // What is armed goes with its schedule, by the node's own hand.
  for (const run of all) if (isArmed(run)) dropRun(state, run.run);
  const live = all.filter((run) => !isArmed(run));
  if (live.length === 0) {
    forgetTask(change, task.task);
    return;
  }
  cancelOwed(change, task, `task "${task.task}" is being removed`);
  const { placed, leaving } = task;
  const still = leaving?.map((one) => ({ ...one, again: undefined }));
  putTask(state, task.task, { ...task, removing: operation, placed, leaving: still, owed: [] });
  for (const run of live) stopForRemoval(change, run.run, task.spec);
}

/** Orders a run to stop because what it belongs to goes away. */
export function stopForRemoval(change: Change, run: string, spec?: Shape<'spec'>): void {
  const record = change.state.runs.get(run);
  if (!record) return;
  if (record.held) {
    endHeld(change, record, 'what it belongs to is removed', 'cancelled');
    finishRemoval(change, record.task);
    return;
  }
  giveOrder(change, operationId(change), record.uid, {
    ...{ verb: 'stop', run, task: record.task },
    ...{ stopSignal: spec?.stopSignal, stopGraceMs: spec?.stopGraceMs },
  });
  putRun(change, { ...record, ordered: 'down' });
}

/** The definition and its ended runs leave the living set; the history stays. */
export function forgetTask(change: Change, name: string): void {
  const { state } = change;
  const task = state.tasks.get(name);
  if (task) cancelOwed(change, task, `task "${name}" was removed`);
  putTask(state, name, undefined);
  failHeldFor(change, name);
  for (const [id, run] of state.runs) if (run.task === name && run.ended) dropRun(state, id);
  change.event({ kind: 'task-removed', text: `task "${name}" removed`, task: name });
}

/** Removes a task that was only waiting for this, its last live run, to end. */
export function finishRemoval(change: Change, task: string | undefined): void {
  if (task === undefined || change.state.tasks.get(task)?.removing === undefined) return;
  if (liveRuns(change.state, { task }).next().done === true) forgetTask(change, task);
}
