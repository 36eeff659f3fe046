/**
 * Runs under a lease (`--on-agent-lost move`), as far as the journal has them: what becomes of an
 * instance whose lease has ended. Until when a lease lasts is never written down
 * (roles/server/leases.ts).
 *
 * A term is the number of the record that ordered the start: of two runs of a task the one that
 * began later has the larger, whatever becomes of nodes and server.
 */
import { errorCodes } from '../../../base/errors.ts';
import type { Shape } from '../../../net/layout.ts';
import type { Change } from './change.ts';
import type { CommandBody } from './command.ts';
import { lookAgain, replace } from './instances.ts';
import { answerOperation, closeOrder } from './operations.ts';
import { liveRunsOf, putRun, setRow } from './runs.ts';
import { endedStates, type Reply, type RunRecord } from './state.ts';

/** How far a node's clock is to be trusted has changed. */
export function noteClock(change: Change, body: CommandBody<'nodeClock'>): Reply {
  const { state } = change;
  const node = state.nodes.get(body.uid);
  if (node) {
    state.nodes.set(body.uid, { ...node, clock: { errorUs: body.clockErrorUs } });
    lookAgain(change, body.uid);
  }
  return { ok: true, body: {} };
}

/** The server found that nobody can hold the lease of a run any more. */
export function endLease(change: Change, body: CommandBody<'leaseOver'>): Reply {
  const { state } = change;
  const record = state.runs.get(body.run);
  if (!record?.lease || record.ended) return { ok: true, body: {} };
  const node = state.nodes.get(record.uid)?.name ?? '';
  const why = 'its lease ended: the node did not renew it';
  const { task, run } = record;
  change.event({
    kind: 'lease-lapsed',
    text: `task "${task}" on ${node}: ${why}`,
    task,
    run,
    node,
  });
  moveAway(change, record, why);
  for (const id of [...(state.index.ordersOfRun.get(body.run) ?? [])]) {
    const order = state.orders.get(id);
    if (!order) continue;
    const ok = order.verb === 'stop' || order.verb === 'kill';
    const text = `the lease of run ${body.run} ended on node ${node}`;
    const code = ok ? undefined : 'lease-ended';
    const answer = { node, task: record.task, run: body.run, ok, code, text } as const;
    answerOperation(change, order.operation, id, answer);
    closeOrder(change, order);
  }
  const last = state.runs.get(body.run) ?? record;
  const reason = 'its lease ended, and nobody saw how';
  const { number: errorCode } = errorCodes['lease-ended'];
  const ended = { processState: 'lost', exitedAt: change.command.at, reason, errorCode };
  setRow(change, { ...last, givenUp: true }, { ...last.row, ...ended });
  return { ok: true, body: {} };
}

/** A row of a run under a lease, before it is taken. False: it is of a run that was given up. */
export function takesRow(change: Change, record: RunRecord, row: Shape<'process'>): boolean {
  const over = endedStates.has(row.processState);
  if (!record.lease) return true;
  if (record.givenUp) return over;
  if (!over || record.ended || row.errorCode !== errorCodes['lease-ended'].number) return true;
  moveAway(change, record, 'its lease ended, and the node ended it');
  return true;
}

/** The instance leaves its node, and begins anew where it may, unless somebody ended it. */
function moveAway(change: Change, record: RunRecord, why: string): void {
  const { task, uid, ordered, row, run } = record;
  if (task === undefined) return;
  // Another run of it there, that which replaces it, has a lease of its own: that one decides.
  if (liveRunsOf(change.state, task, uid).some((one) => one.run !== run && one.lease)) return;
  // That its node ended it with the lease is no wish.
  if (ordered !== 'down')
    putRun(change, { ...record, row: { ...row, processState: 'running', wish: 'up' } });
  replace(change, task, uid, why);
  if (ordered !== 'down') putRun(change, record);
}
