/**
 * Runs under a lease (`--on-agent-lost move`), as far as the journal has them: which term a run
 * has, whose clock bears a lease, and what becomes of an instance whose lease has ended. Until when
 * a lease lasts is never written down (roles/server/leases.ts).
 *
 * A term is the number of the record that ordered the start: of two runs of a task the one that
 * began later has the larger, whatever becomes of nodes and server.
 */
import { formatDurationMs } from '../../../base/duration.ts';
import { errorCodes } from '../../../base/errors.ts';
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { bears, worstErrorUs } from '../../../scheduler/lease.ts';
import { type Change, Refusal } from './change.ts';
import type { Command, CommandBody } from './command.ts';
import { lookAgain, replace } from './instances.ts';
import { answerOperation, closeOrder } from './operations.ts';
import type { Leased, NodeClock } from './records.ts';
import { putRun, setRow } from './runs.ts';
import { endedStates, type Reply, type RunRecord, type State } from './state.ts';

type Spec = Shape<'spec'>;

export const leaseMsOf = ({ leaseMs = limits.leaseMs }: Spec): number => leaseMs;
export const mayMove = ({ onAgentLost }: Spec): boolean => onAgentLost === 'move';

/** The lease of a run that begins with this command. */
export function leaseOf(state: State, spec: Spec): Leased['lease'] {
  return mayMove(spec) ? { term: state.seq, leaseMs: leaseMsOf(spec) } : undefined;
}

export function checkLease(command: Command, task: string, spec: Spec): void {
  const { onAgentLost = 'keep', leaseMs, instances } = spec;
  if (onAgentLost !== 'keep' && onAgentLost !== 'move') {
    throw new Refusal('usage', `onAgentLost "${onAgentLost}" is neither keep nor move`);
  }
  if (leaseMs !== undefined && (leaseMs < limits.leaseMinMs || leaseMs > limits.leaseMaxMs)) {
    const [least, most] = [limits.leaseMinMs, limits.leaseMaxMs].map(formatDurationMs);
    throw new Refusal('usage', `a lease of ${leaseMs} ms is none; from ${least} to ${most}`);
  }
  if (!mayMove(spec)) return;
  if (instances === undefined) {
    const text = `task "${task}" cannot move: it belongs on every node that it matches`;
    throw new Refusal('unsupported', text, 'say how many there are to be: --instances N');
  }
  const fault = clockFault(command, spec);
  if (fault !== undefined) throw new Refusal('unsupported', `task "${task}": ${fault}`, CLOCK_HINT);
}

export const CLOCK_HINT =
  'give it servers of time (--ntp HOST), or a longer --lease; see lotc admin sync';

/** Why no lease can be granted by the server's clock, as it was at a command. */
export function clockFault({ errorUs }: Pick<Command, 'errorUs'>, spec: Spec): string | undefined {
  if (!mayMove(spec) || bears({ errorUs }, leaseMsOf(spec))) return undefined;
  return `the clock of the server ${faultOf(errorUs, leaseMsOf(spec))}`;
}

/** Why a node can hold no lease; undefined where it can, or has not said. */
export function nodeFault(
  spec: Spec,
  { clock, holds }: NodeClock & { readonly holds?: Readonly<Record<string, string>> | undefined },
): string | undefined {
  if (!mayMove(spec)) return undefined;
  if (holds && holds['lease'] === undefined) return 'its LOTC is older, and holds no leases';
  if (!clock || bears(clock, leaseMsOf(spec))) return undefined;
  return `its clock ${faultOf(clock.errorUs, leaseMsOf(spec))}`;
}

function faultOf(errorUs: number | undefined, leaseMs: number): string {
  if (errorUs === undefined) return 'has no bound, and a lease ends by it';
  const worstMs = Math.floor(worstErrorUs(leaseMs) / 1_000);
  return `may be wrong by ${Math.ceil(errorUs / 1_000)} ms; a lease of ${formatDurationMs(leaseMs)} bears ${worstMs} ms`;
}

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
  moveAway(change, record, `its lease ended: node ${node} did not renew it`);
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
  const node = change.state.nodes.get(record.uid)?.name ?? '';
  moveAway(change, record, `its lease ended on node ${node}, which ended it`);
  return true;
}

/** The instance leaves its node, and begins anew where it may, unless somebody ended it. */
function moveAway(change: Change, record: RunRecord, why: string): void {
  const { task, run, uid, ordered, row } = record;
  if (task === undefined) return;
  const node = change.state.nodes.get(uid)?.name;
  change.event({ kind: 'task-moved', text: `task "${task}" moves: ${why}`, task, run, node });
  // That its node ended it with the lease is no wish.
  if (ordered !== 'down')
    putRun(change, { ...record, row: { ...row, processState: 'running', wish: 'up' } });
  replace(change, task, uid);
  if (ordered !== 'down') putRun(change, record);
}
