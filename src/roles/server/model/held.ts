/**
 * Starts that wait for runs on other nodes: the server holds the order back, the run is `pending`,
 * and with the report that makes the last condition true its node gets the order. A predecessor
 * that fails makes the run `failed`. All of it follows from the state, so it is the same in replay.
 */
import { type ErrorCode, errorCodes } from '../../../base/errors.ts';
import {
  type Condition,
  counts,
  isCondition,
  placeOf,
  standingOf,
  waitsFor,
} from '../../../supervisor/condition.ts';
import type { Change } from './change.ts';
import { successorsOf } from './dependencies.ts';
import {
  answerOperation,
  awaitAnswer,
  giveOrder,
  type OrderDraft,
  operationId,
  sendOrder,
} from './operations.ts';
import type { Away, Held } from './records.ts';
import { endHold, isArmed, liveRuns, setRow } from './runs.ts';
import type { RunRecord, State } from './state.ts';

/** An order as it will be given; the run is marked by the caller. */
export function holdBack(
  change: Change,
  operation: string,
  run: string,
  draft: OrderDraft,
  away: readonly Away[],
): Held {
  const { at, who } = change.command;
  const order = `${operation}/${change.next()}`;
  awaitAnswer(change, operation, order, run);
  return { away, order, draft: { ...draft, at, who } };
}

/** Looks again at every start that waits for what this command changed; once a command. */
export function lookAtHeld(change: Change): void {
  const { state } = change;
  const queue = [...change.runs];
  for (const run of queue) {
    const record = state.runs.get(run);
    if (!record) continue;
    const waiting = record.task === undefined ? [] : (state.index.heldFor.get(record.task) ?? []);
    for (const one of [...(record.held ? [run] : []), ...waiting]) {
      // A failure is a change of its own.
      if (look(change, one)) queue.push(one);
    }
  }
}

/** Starts that wait for a task that goes; nobody will begin it any more. */
export function failHeldFor(change: Change, task: string): void {
  const { state } = change;
  const reason = `${placeOf(task, '')} was removed`;
  for (const run of [...(state.index.heldFor.get(task) ?? [])]) {
    const record = state.runs.get(run);
    if (record?.held) fail(change, record, reason);
  }
  for (const successor of successorsOf(state, task))
    for (const record of liveRuns(state, { task: successor })) giveUp(change, record, reason);
}

/** One that waits on its own node, as far as is known here: the node judges, and says how it is. */
function giveUp(change: Change, { run, task, uid, row }: RunRecord, text: string): void {
  if (row.processState !== 'pending' || row.startedAt !== undefined) return;
  const id = operationId(change);
  const errorCode = errorCodes['wrong-state'].number;
  const at = { id, uid, order: `${id}/${change.next()}` };
  sendOrder(change, at, { verb: 'stop', run, task, errorCode, text });
}

/** True: it has failed. */
function look(change: Change, run: string): boolean {
  const { state } = change;
  const record = state.runs.get(run);
  if (!record?.held || record.ended) return false;
  let waits: string | undefined;
  for (const away of record.held.away) {
    const { failed, open } = judge(state, record, away);
    if (failed !== undefined) {
      fail(change, record, failed);
      return true;
    }
    if (open.length > 0) waits ??= waitsFor(away.task, away.on, open);
  }
  if (waits === undefined) release(change, record);
  else if (waits !== record.row.reason) setRow(change, record, { ...record.row, reason: waits });
  return false;
}

/** How it ended on a node, or the names of the nodes where it is still to come true. */
function judge(
  state: State,
  { createdAt }: RunRecord,
  { task, on, uids, runs }: Away,
): { readonly failed?: string; readonly open: readonly string[] } {
  const condition: Condition = isCondition(on) ? on : 'success';
  const open: string[] = [];
  if (uids.length === 0) return { failed: `${placeOf(task, '')} is on no node`, open };
  for (const uid of uids) {
    const row = latestSince(state, task, uid, { at: createdAt, runs });
    const name = state.nodes.get(uid)?.name;
    // It is gone with its node, where it was not to be seen.
    if (!row && name === undefined) continue;
    const standing = standingOf(condition, row);
    if (standing === 'open') open.push(name ?? '');
    else if (standing !== 'met')
      return { failed: `${placeOf(task, name ?? row?.node ?? '')} ${standing.failed}`, open };
  }
  return { open: open.sort() };
}

function latestSince(
  state: State,
  task: string,
  uid: string,
  { at, runs }: { readonly at: number; readonly runs: readonly string[] },
): RunRecord['row'] | undefined {
  for (const id of (state.index.runsOf.get(`${task} ${uid}`) ?? []).toReversed()) {
    const record = state.runs.get(id);
    if (!record || isArmed(record)) continue;
    // It gave way to another run of its task.
    if (record.row.errorCode === errorCodes.running.number) continue;
    const row = { ...record.row, createdAt: record.createdAt };
    if (counts(row, at, runs)) return row;
  }
  return undefined;
}

function release(change: Change, record: RunRecord): void {
  const { held, operation, uid } = record;
  const node = change.state.nodes.get(uid);
  if (!held || !node) return;
  const reason = `waits for node ${node.name}`;
  setRow(change, endHold(change.state, record), { ...record.row, reason });
  giveOrder(change, operation, uid, held.draft, held.order);
}

function fail(change: Change, record: RunRecord, reason: string): void {
  endHeld(change, record, reason, 'wrong-state');
}

/** A start that will not be: it is withdrawn, or what it waited for has failed. */
export function endHeld(change: Change, record: RunRecord, reason: string, code: ErrorCode): void {
  const { held, operation, run, task = '', uid } = record;
  if (!held) return;
  const node = change.state.nodes.get(uid)?.name;
  answerOperation(change, operation, held.order, {
    ...{ node, task, run, ok: false, code, text: reason },
  });
  const exitedAt = change.command.at;
  const errorCode = errorCodes[code].number;
  const row = { ...record.row, processState: 'failed', exitedAt, reason, errorCode };
  setRow(change, endHold(change.state, record), row);
  const text = `task "${task}" on ${node ?? ''} is failed: ${reason}`;
  change.event({ kind: 'process-failed', text, node, task, run });
  if (node === undefined || successorsOf(change.state, task).length === 0) return;
  // What waits for it there is judged there, and the node has not heard of it.
  const told = { verb: 'start', previous: undefined, afterTasks: [], errorCode, text: reason };
  sendOrder(change, { id: operation, uid, order: held.order }, { ...held.draft, ...told });
}
