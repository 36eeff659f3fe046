/**
 * Operations and orders. An operation is what one verb asked for; its orders are what nodes have
 * to do for it. It ends when the last order is answered, cancelled or expired.
 */
import { limits } from '../../../base/limits.ts';
import { assign, type ItemDraft, withdraw } from './assignment.ts';
import type { Change } from './change.ts';
import { makeId } from './ids.ts';
import { operationRow } from './rows.ts';
import { dropRun, putRun } from './runs.ts';
import type { Answer, OperationRecord, OperationState, OrderRecord, State } from './state.ts';

/** Ended operations kept at hand; older ones are history. */
const ENDED_KEPT = 1_000;

export interface OperationDraft {
  readonly verb: string;
  readonly targets: readonly string[];
  /** Whose wish it is, where that is not whoever gave the command. */
  readonly who?: string | undefined;
}

export const operationId = (change: Change): string => makeId('O', change.command.key);

/**
 * Opens the command's operation, or adds to it; `settle` closes it where nothing is left to wait
 * for.
 */
export function openOperation(change: Change, draft: OperationDraft): OperationRecord {
  const { at, who, origin } = change.command;
  const id = operationId(change);
  const open = change.operations.has(id) ? change.state.operations.get(id) : undefined;
  if (open) {
    const targets = [...open.targets, ...draft.targets].slice(0, limits.targetsPerVerb);
    const more = { ...open, targets };
    put(change, more);
    return more;
  }
  const operation: OperationRecord = {
    operation: id,
    verb: draft.verb,
    targets: draft.targets.slice(0, limits.targetsPerVerb),
    at,
    who: draft.who ?? who,
    origin,
    state: 'accepted',
    answers: [],
    waiting: new Set(),
    runs: [],
  };
  put(change, operation);
  return operation;
}

function put(change: Change, operation: OperationRecord): void {
  change.state.operations.set(operation.operation, operation);
  change.operations.add(operation.operation);
}

export interface OrderDraft extends Omit<ItemDraft, 'item' | 'entry' | 'order' | 'operation'> {
  readonly verb: string;
}

/** Gives a node an order for an operation and remembers that its answer is awaited. */
export function giveOrder(
  change: Change,
  id: string,
  uid: string,
  draft: OrderDraft,
  order = `${id}/${change.next()}`,
): OrderRecord {
  const record = sendOrder(change, { id, uid, order }, draft);
  awaitAnswer(change, id, order, draft.run);
  return record;
}

/** An order whose answer nobody waits for. */
export function sendOrder(
  change: Change,
  { id, uid, order }: { readonly id: string; readonly uid: string; readonly order: string },
  draft: OrderDraft,
): OrderRecord {
  const { state, command } = change;
  const { verb, run, task, expiresAt } = draft;
  const record: OrderRecord = { order, operation: id, uid, verb, run, task, expiresAt };
  state.orders.set(order, record);
  indexOrder(state, record);
  // One that was held back is of when it was asked for, and of who asked.
  const { at = command.at, who = command.who } = draft;
  assign(change, uid, { ...draft, item: order, entry: 'order', order, operation: id, at, who });
  return record;
}

export function indexOrder(state: State, record: OrderRecord): void {
  if (record.run === undefined) return;
  const { ordersOfRun } = state.index;
  ordersOfRun.set(record.run, new Set([...(ordersOfRun.get(record.run) ?? []), record.order]));
}

/** `token` stands for something whose answer ends the waiting: an order, or a bundle on a node. */
export function awaitAnswer(change: Change, id: string, token: string, run?: string): void {
  const operation = change.state.operations.get(id);
  if (!operation || operation.waiting.has(token)) return;
  const waiting = new Set(operation.waiting).add(token);
  const runs = run === undefined ? operation.runs : [...operation.runs, run];
  put(change, { ...operation, waiting, runs });
}

/** An answer that ends the waiting for `token` (undefined: it was never waited for). */
export function answerOperation(
  change: Change,
  id: string,
  token: string | undefined,
  answer: Answer,
): void {
  const operation = change.state.operations.get(id);
  if (!operation) return;
  const waiting = new Set(operation.waiting);
  if (token !== undefined && !waiting.delete(token)) return;
  put(change, { ...operation, waiting, answers: [...operation.answers, answer] });
}

/** It is no longer waited for, and not answered: something else is waited for in its place. */
export function dropToken(change: Change, id: string, token: string): void {
  const operation = change.state.operations.get(id);
  if (!operation?.waiting.has(token)) return;
  const waiting = new Set(operation.waiting);
  waiting.delete(token);
  put(change, { ...operation, waiting });
}

/** Takes an order away: answered (its node knows), cancelled or expired. */
export function closeOrder(change: Change, record: OrderRecord, why?: 'answered'): void {
  const { state } = change;
  state.orders.delete(record.order);
  withdraw(change, record.uid, record.order, why && 'soon');
  if (record.run === undefined) return;
  const others = new Set(state.index.ordersOfRun.get(record.run));
  others.delete(record.order);
  if (others.size === 0) state.index.ordersOfRun.delete(record.run);
  else state.index.ordersOfRun.set(record.run, others);
  const run = state.runs.get(record.run);
  if (run?.ordered === undefined || record.verb === 'start') return;
  const decided = [...others].some((order) => {
    const verb = state.orders.get(order)?.verb;
    return verb !== undefined && verb !== 'start';
  });
  if (!decided) putRun(change, { ...run, ordered: undefined });
}

/** Ends every operation this command left with nothing to wait for. */
export function settle(change: Change, final?: OperationState): void {
  const { state } = change;
  for (const id of change.operations) {
    const operation = state.operations.get(id);
    if (!operation || operation.state !== 'accepted' || operation.waiting.size > 0) continue;
    const failed = operation.answers.some((answer) => !answer.ok);
    const ended: OperationRecord = { ...operation, state: final ?? (failed ? 'failed' : 'done') };
    state.operations.set(id, ended);
    change.history.push({ kind: 'operation', operation: operationRow(state, ended) });
  }
  if (change.operations.size > 0) forgetEnded(state);
}

/** An ended run without a task is history once its operation is forgotten. */
export function dropIfHistory(state: State, run: string): void {
  const record = state.runs.get(run);
  if (!record?.ended || record.task !== undefined) return;
  if (!state.operations.has(record.operation)) dropRun(state, run);
}

function forgetEnded(state: State): void {
  let excess = state.operations.size - ENDED_KEPT;
  if (excess <= 0) return;
  for (const [id, operation] of state.operations) {
    if (excess <= 0) break;
    if (operation.state === 'accepted') continue;
    state.operations.delete(id);
    excess -= 1;
    for (const run of operation.runs) dropIfHistory(state, run);
  }
}
