/**
 * What nodes report: process rows (level-triggered: the newest wins), answers to orders, the
 * state of bundles. Each report has its node's sequence number, so what is sent again after a
 * lost acknowledgement is recognised and applied once.
 */
import { errorCodeOf } from '../../../base/errors.ts';
import { limits } from '../../../base/limits.ts';
import { type EventKind, isEventKind } from '../../../net/event-kinds.ts';
import type { Shape } from '../../../net/layout.ts';
import { isMeantFor } from './assignment.ts';
import { reportBundle } from './bundles.ts';
import type { Change } from './change.ts';
import type { CommandBody } from './command.ts';
import { leaseOfFiring } from './lease-rules.ts';
import { takesRow } from './leases.ts';
import { finishNodeRemoval } from './nodes.ts';
import { answerOperation, closeOrder, dropIfHistory } from './operations.ts';
import { reportFault } from './report-rules.ts';
import { keepResult } from './results.ts';
import { addRun, dropRun, rowOf, setRow } from './runs.ts';
import { endedStates, type NodeRecord, type Reply, type RunRecord } from './state.ts';
import { finishRemoval } from './tasks.ts';

export function applyReports(change: Change, body: CommandBody<'report'>): Reply {
  const { state } = change;
  const node = state.nodes.get(body.uid);
  if (!node) return { ok: true, body: { seq: 0 } };
  let { reportSeq } = node;
  for (const report of body.reports) {
    if (report.seq <= reportSeq) continue;
    reportSeq = report.seq;
    const fault = reportFault(state, node, report);
    if (fault === undefined) applyReport(change, node, report);
    else leaveOut(change, node, fault);
  }
  const current = state.nodes.get(body.uid) ?? node;
  state.nodes.set(body.uid, { ...current, reportSeq, lastSeen: change.command.at });
  finishNodeRemoval(change, body.uid);
  return { ok: true, body: { seq: reportSeq } };
}

function applyReport(change: Change, node: NodeRecord, report: Shape<'report'>): void {
  if (report.process) applyProcess(change, node, report.process);
  if (report.answer && report.order !== undefined)
    applyAnswer(change, node, report.order, report.answer);
  if (report.fire) {
    const { uid, name } = node;
    change.history.push({ kind: 'fire', fire: { ...report.fire, node: name, uid } });
    announceFiring(change, name, report.fire);
  }
  const { eventKind = '', text = '', run, task } = report;
  if (isEventKind(eventKind) && kindsFromNodes.has(eventKind)) {
    const name = task === undefined ? `run ${run}` : `task "${task}"`;
    const words =
      run === undefined ? `node ${node.name} ${text}` : `${name} on ${node.name}: ${text}`;
    change.event({ kind: eventKind, text: words, node: node.name, task, run });
  }
  if (report.kept) keepResult(change, node, report.kept);
  const { bundle, digest, bundleState, reason } = report;
  if (bundle !== undefined && digest !== undefined && bundleState !== undefined) {
    reportBundle(change, node, { bundle, digest, state: bundleState, reason });
  }
}

/** It counts as told, so that what comes after it is heard; whoever looks is told why it is not. */
function leaveOut(change: Change, { name: node }: NodeRecord, fault: string): void {
  change.event({
    kind: 'node-warned',
    text: `a report of node ${node} is left out: ${fault}`,
    node,
  });
}

/** What a node may put into the journal in its own words. */
const kindsFromNodes: ReadonlySet<EventKind> = new Set([
  ...(['node-warned', 'lease-lapsed'] as const),
  ...(['process-warned', 'process-hung', 'process-alive'] as const),
  ...(['process-stopped', 'process-continued', 'process-preempted'] as const),
]);

function applyProcess(change: Change, node: NodeRecord, row: Shape<'process'>): void {
  const { state, command } = change;
  let record = state.runs.get(row.run);
  if (row.processState === 'disarmed') {
    forgetArmed(change, node, record);
    return;
  }
  if (!record) {
    const { run, task, operation = '' } = row;
    // What a run stands on may be fetched: a node must not come by content by naming it.
    const digest = isMeantFor(state, node.uid, row.bundle ?? '') ? row.bundle : undefined;
    const bundle = task === undefined ? undefined : state.tasks.get(task)?.spec.bundle;
    const lease = leaseOfFiring(state, node.uid, row);
    record = {
      ...{ run, task, uid: node.uid, operation, bundle, digest },
      createdAt: row.createdAt ?? command.at,
      ended: false,
      row,
      ...(lease ? { lease } : {}),
    };
    // A run the living set forgot, or that this server never heard of: its node is right.
    if (endedStates.has(row.processState)) {
      change.history.push({ kind: 'run', process: rowOf(state, row, record) });
      return;
    }
    addRun(change, record);
  }
  if (record.uid !== node.uid) return;
  if (!takesRow(change, record, row)) return;
  const before = record.row.processState;
  setRow(change, record, { ...row, command: record.row.command ?? row.command });
  if (before !== row.processState) announce(change, node, row, record.task);
  if (!endedStates.has(row.processState)) return;
  finishRemoval(change, record.task);
  dropIfHistory(state, row.run);
}

/** It waited for its instant, and was taken back: it never was. */
function forgetArmed(change: Change, node: NodeRecord, record: RunRecord | undefined): void {
  if (!record || record.uid !== node.uid || record.ended) return;
  dropRun(change.state, record.run);
  change.runs.add(record.run);
  if (record.task !== undefined && change.state.index.short.has(record.task))
    change.placing.add(record.task);
  finishRemoval(change, record.task);
}

function announce(
  change: Change,
  node: NodeRecord,
  row: Shape<'process'>,
  task: string | undefined,
): void {
  const { run, processState } = row;
  const kind = `process-${processState}`;
  if (!isEventKind(kind)) return;
  const name = task === undefined ? `run ${run}` : `task "${task}"`;
  let text = `${name} on ${node.name} is ${processState}`;
  if (processState === 'exited') {
    const how = row.signal === undefined ? `code ${row.exitCode ?? '?'}` : `signal ${row.signal}`;
    text = `${name} on ${node.name} exited with ${how}`;
  }
  if (row.suspendedBy !== undefined) text += ` by ${row.suspendedBy}`;
  if (row.reason !== undefined) text += `: ${row.reason}`;
  const ok = endedBadly(row) ? false : undefined;
  change.event({ kind, text, node: node.name, task, run, ok });
}

/** Otherwise than somebody asked for: what was stopped may end by a signal. */
function endedBadly({ processState, wish, exitCode = 0, signal }: Shape<'process'>): boolean {
  if (processState === 'lost') return true;
  if (wish === 'down') return false;
  return processState === 'failed' || (processState === 'exited' && (exitCode !== 0 || !!signal));
}

/** A firing that starts a run is told of by its run as well: how that failed is said there. */
function announceFiring(change: Change, node: string, fire: Shape<'fire'>): void {
  const { schedule, action, task, bundle, run, result, lateUs = 0, reason } = fire;
  const what = `schedule "${schedule}" on ${node}: ${action}`;
  const tell = (kind: EventKind, how: string): void => {
    change.event({ kind, text: `${what} ${how}`, node, task, bundle, run });
  };
  const why = reason === undefined ? '' : `: ${reason}`;
  if (result === 'ok' && lateUs >= limits.firingLateUs) tell('firing-late', `${lateUs} µs late`);
  else if (result === 'lost') tell('firing-lost', `may have been carried out or not${why}`);
  else if (result === 'failed' && run === undefined) tell('firing-failed', `failed${why}`);
}

function applyAnswer(change: Change, node: NodeRecord, id: string, answer: Shape<'answer'>): void {
  const { state } = change;
  const order = state.orders.get(id);
  if (!order || order.uid !== node.uid) return;
  const { ok, text, hint, unchanged } = answer;
  const code = answer.errorCode === undefined ? undefined : errorCodeOf(answer.errorCode);
  const { task, run } = order;
  answerOperation(change, order.operation, id, {
    ...{ node: node.name, task, run, ok, text, hint, unchanged },
    code: ok ? undefined : (code ?? 'failed'),
  });
  closeOrder(change, order, 'answered');
}
