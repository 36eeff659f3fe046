/**
 * Result files of ended runs: what a node delivered is kept by its task's retention (number of
 * runs on a node, age, bytes of the task), and the oldest go first. The content is in the blob
 * store under the digest that stands here; what no record names leaves it.
 */
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import type { Change } from './change.ts';
import type { ResultRecord } from './records.ts';
import { putRun } from './runs.ts';
import type { NodeRecord, State } from './state.ts';

/** What a node says it has delivered of one of its runs; a newer word replaces an older one. */
export function keepResult(change: Change, node: NodeRecord, told: Shape<'kept'>): void {
  const { state, command } = change;
  const { run, task = state.runs.get(told.run)?.task } = told;
  const owner = state.results.get(run) ?? state.runs.get(run);
  if (owner && owner.uid !== node.uid) return;
  const spec = task === undefined ? undefined : state.tasks.get(task)?.spec;
  const { keepForMs = limits.keepForMs } = spec ?? {};
  const kept = { ...told, task, node: node.name, at: told.at ?? command.at };
  state.results.set(run, {
    ...{ kept, uid: node.uid, sizeBytes: kept.digest === undefined ? 0 : (kept.sizeBytes ?? 0) },
    expiresAt: command.at + keepForMs * 1000,
  });
  change.results.add(run);
  const record = state.runs.get(run);
  if (record && !record.collected) putRun(change, { ...record, collected: true });
  if (task !== undefined) retain(change, task, node.uid, spec);
  retainOf(change, node.uid);
  if (kept.digest !== undefined || kept.reason !== undefined) announce(change, kept);
}

function announce(change: Change, kept: Shape<'kept'>): void {
  const { run, task, node, files = 0, reason } = kept;
  const what = task === undefined ? `run ${run}` : `task "${task}"`;
  const how = reason === undefined ? `${files} files kept` : `no files kept: ${reason}`;
  const kind = reason === undefined ? 'results-kept' : 'results-failed';
  change.event({ kind, text: `${what} on ${node}: ${how}`, node, task, run });
}

/** Drops the oldest beyond what the task keeps; the newest stays, whatever its size. */
function retain(change: Change, task: string, uid: string, spec?: Shape<'spec'>): void {
  const { keepRuns = limits.keepRuns, keepBytes = limits.keepBytes } = spec ?? {};
  const newestFirst = resultsOf(change.state, task).toReversed();
  let [count, bytes] = [0, 0];
  for (const record of newestFirst) {
    if (record.uid === uid) count += 1;
    bytes += record.sizeBytes;
    const isOne = record === newestFirst[0];
    const isOver = (record.uid === uid && count > keepRuns) || (bytes > keepBytes && !isOne);
    if (isOver || record.expiresAt <= change.command.at) drop(change, record);
  }
}

/** Of tasks that nobody has, too: what a node names is its own word. */
function retainOf(change: Change, uid: string): void {
  const { results } = change.state;
  if (results.size <= limits.resultsPerNode) return;
  const own = [...results.values()].filter((record) => record.uid === uid);
  for (const record of own.slice(0, Math.max(0, own.length - limits.resultsPerNode)))
    drop(change, record);
}

function drop(change: Change, { kept, sizeBytes }: ResultRecord): void {
  change.state.results.delete(kept.run);
  if (sizeBytes > 0) change.hasFreed = true;
}

/** In the order in which their runs ended, which need not be that in which they came. */
export function resultsOf(state: State, task: string): readonly ResultRecord[] {
  return [...state.results.values()]
    .filter(({ kept }) => kept.task === task)
    .sort((a, b) => (a.kept.at ?? 0) - (b.kept.at ?? 0));
}

export const hasExpired = (state: State, atUs: number): boolean => {
  for (const { expiresAt } of state.results.values()) if (expiresAt <= atUs) return true;
  return false;
};

export function expireResults(change: Change): void {
  for (const record of [...change.state.results.values()])
    if (record.expiresAt <= change.command.at) drop(change, record);
}
