/** Ad-hoc commands (runs without a task), and orders that are cancelled or that expire. */

import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { cancelDrain } from './drain.ts';
import { endHeld } from './held.ts';
import { checkLimitValues } from './limits.ts';
import { answerOperation, closeOrder, openOperation } from './operations.ts';
import { cancelOwedOf } from './owed.ts';
import { checkProgram } from './program.ts';
import { bundleNamed, bundleSelects, selectNodes } from './resolve.ts';
import { expireResults } from './results.ts';
import { answerRow, operationRow, processRow } from './rows.ts';
import { setRow } from './runs.ts';
import { orderStart } from './start.ts';
import type { OperationRecord, OrderRecord, Reply, RunRecord } from './state.ts';
import { finishRemoval } from './tasks.ts';

/**
 * One run on every selected node that has a session; the others are named in the answers: nobody
 * waits at a console for a command that may run tomorrow.
 */
export function execute(change: Change, body: CommandBody<'retExec'>): Reply {
  const { state } = change;
  const { spec, on, stdin, tty, rows, columns } = body;
  checkProgram(spec);
  checkLimitValues(spec);
  const bundle = spec.bundle === undefined ? undefined : bundleNamed(state, spec.bundle);
  const nodes = selectNodes(state, on);
  const present = new Set(body.present ?? []);
  const { operation } = openOperation(change, { verb: 'run', targets: [spec.command.join(' ')] });
  const runs: RunRecord[] = [];
  for (const node of nodes) {
    if (!present.has(node.name)) {
      const text = `node ${node.name} is not online; the command was not sent to it`;
      const answer = { ok: false, node: node.name, code: 'unresponsive' as const, text };
      answerOperation(change, operation, undefined, answer);
    } else if (bundle && !bundleSelects(bundle, node)) {
      const text = `bundle "${bundle.bundle}" is not on node ${node.name}`;
      const answer = { ok: false, node: node.name, code: 'not-selected' as const, text };
      answerOperation(change, operation, undefined, answer);
    } else {
      runs.push(
        orderStart(change, {
          ...{ uid: node.uid, spec, bundle: bundle?.bundle, digest: bundle?.digest },
          reason: `waits for node ${node.name}`,
          order: { verb: 'start', live: true, stdin, tty, rows, columns },
        }),
      );
    }
  }
  const answers = state.operations.get(operation)?.answers ?? [];
  const processes = runs.map((run) => processRow(state, run));
  return { ok: true, body: { operation, processes, answers: answers.map(answerRow) } };
}

/** Withdraws what has not been carried out; what has been stays as it is. */
export function cancelOperation(change: Change, body: CommandBody<'retCancel'>): Reply {
  const { state } = change;
  const operation = state.operations.get(body.operation);
  if (!operation) {
    throw new Refusal(
      'no-such-operation',
      `there is no operation "${body.operation}"`,
      'see: lotc admin operation ls',
    );
  }
  const orders = openOrders(change, operation);
  for (const order of orders) {
    drop(change, order, { code: 'cancelled', text: 'cancelled before it was carried out' });
  }
  let others = 0;
  for (const token of operation.waiting)
    if (cancelOwedOf(change, body.operation, token) || cancelDrain(change, token)) others += 1;
  const held = operation.runs.flatMap((run) => state.runs.get(run) ?? []).filter((run) => run.held);
  for (const record of held) {
    endHeld(change, record, 'cancelled before it was carried out', 'cancelled');
    finishRemoval(change, record.task);
  }
  const now = state.operations.get(body.operation) ?? operation;
  if (orders.length + held.length + others > 0) {
    const text = `operation ${now.operation} (${now.verb}) cancelled`;
    change.event({ kind: 'operation-cancelled', text, operation: now.operation });
  }
  return { ok: true, body: { operations: [operationRow(state, now)] } };
}

function openOrders(change: Change, operation: OperationRecord): readonly OrderRecord[] {
  const found: OrderRecord[] = [];
  for (const token of operation.waiting) {
    const order = change.state.orders.get(token);
    if (order) found.push(order);
  }
  return found;
}

export function expireOrders(change: Change): Reply {
  const { at } = change.command;
  expireResults(change);
  for (const order of [...change.state.orders.values()]) {
    if (order.expiresAt !== undefined && order.expiresAt <= at) {
      drop(change, order, { code: 'expired', text: 'the order expired before its node took it' });
    }
  }
  return { ok: true, body: {} };
}

/** A start that is withdrawn leaves a run that never began; its node may still know better. */
function drop(
  change: Change,
  order: OrderRecord,
  why: { code: 'cancelled' | 'expired'; text: string },
): void {
  const { state } = change;
  const node = state.nodes.get(order.uid)?.name;
  const { task, run } = order;
  answerOperation(change, order.operation, order.order, { ok: false, node, task, run, ...why });
  closeOrder(change, order);
  const record = run === undefined ? undefined : state.runs.get(run);
  if (!record || record.ended || !['start', 'restart'].includes(order.verb)) return;
  if (record.row.pid !== undefined) return;
  const exitedAt = change.command.at;
  setRow(change, record, { ...record.row, processState: 'failed', exitedAt, reason: why.text });
  finishRemoval(change, record.task);
}
