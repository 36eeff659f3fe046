/**
 * Starts that are owed: wanted, and without a node that may have them now. One of a task with
 * `instances` waits for the next place, one of another task for the end of its node's draining.
 * An operation that asked for it stays open until then. Who ends the wish, ends what is owed.
 */
import { isRunId } from '../../../base/ids.ts';
import type { Change } from './change.ts';
import { answerOperation, awaitAnswer, dropToken, openOperation } from './operations.ts';
import { missingOf, putTask } from './places.ts';
import type { Given, Owed } from './records.ts';
import { bundleSelects, selects } from './resolve.ts';
import { orderStart } from './start.ts';
import type { Answer, NodeRecord, TaskRecord } from './state.ts';
import type { VerbRequest } from './verbs.ts';

/** Begins it on a node, for the operation that asked for it where that is still open. */
export function startOwed(
  change: Change,
  { task, spec, revision, enabled }: TaskRecord,
  node: NodeRecord,
  owed: Owed,
): void {
  const { state } = change;
  const place = { node: node.name, task, ok: false };
  if (!enabled) {
    const text = `task "${task}" is disabled; not started on node ${node.name}`;
    endOwed(change, owed, { ...place, code: 'disabled', text });
    return;
  }
  const bundle = spec.bundle === undefined ? undefined : state.bundles.get(spec.bundle);
  if (spec.bundle !== undefined && !(bundle && bundleSelects(bundle, node))) {
    const text = `bundle "${spec.bundle}" of task "${task}" is not on node ${node.name}`;
    endOwed(change, owed, { ...place, code: 'not-selected', text });
    return;
  }
  const known = state.operations.get(owed.operation ?? '');
  const { operation } =
    known?.state === 'accepted'
      ? known
      : openOperation(change, { verb: 'start', targets: [`${task}@${node.name}`], who: owed.who });
  const { env, arguments: more, who, token, left } = owed;
  const { run } = orderStart(change, {
    ...{ uid: node.uid, task, spec, revision, operation },
    ...{ digest: bundle?.digest, bundle: bundle?.bundle, reason: `waits for node ${node.name}` },
    order: { verb: 'start', env, arguments: more, who },
  });
  if (token !== undefined) dropToken(change, operation, token);
  if (left === undefined) return;
  const isBack = left.node === node.name;
  const where = isBack ? `begins anew on ${node.name}` : `moved to ${node.name} from ${left.node}`;
  const text = `task "${task}" ${where}: ${left.why}`;
  change.event({ kind: 'task-moved', text, task, run, node: node.name });
}

/** A start of all instances: those that have no node are owed, and the operation waits for them. */
export function oweMissing(
  change: Change,
  name: string,
  { env, arguments: more }: Given,
  operation: string,
): void {
  const { state, command } = change;
  const task = state.tasks.get(name);
  if (!task) return;
  const text = `asked for again by operation ${operation}`;
  for (const one of allOwed(task)) endOwed(change, one, { ok: true, task: name, text });
  const anew = (): Owed => {
    const token = `place:${name}/${change.next()}`;
    awaitAnswer(change, operation, token);
    return { env, arguments: more, operation, token, who: command.who, at: command.at };
  };
  const owed = Array.from({ length: missingOf(task) }, anew);
  const leaving = task.leaving?.map((one) => ({ ...one, again: anew() }));
  putTask(state, name, { ...task, owed, leaving });
}

/** A start on a node that is being drained: once it is so no longer. */
export function oweOn(change: Change, task: TaskRecord, uid: string, given: Given): void {
  const { env, arguments: more } = given;
  const { who, at } = change.command;
  const others = (task.owed ?? []).filter((one) => one.uid !== uid);
  const owed = [...others, { uid, env, arguments: more, who, at }];
  putTask(change.state, task.task, { ...task, owed });
}

const allOwed = ({ owed = [], leaving = [] }: TaskRecord): readonly Owed[] => [
  ...owed,
  ...leaving.flatMap(({ again }) => again ?? []),
];

export function endOwed(change: Change, { operation, token }: Owed, answer: Answer): void {
  if (operation !== undefined && token !== undefined)
    answerOperation(change, operation, token, answer);
}

/** What is owed of a task that goes, or is wanted no longer. */
export function cancelOwed(change: Change, record: TaskRecord, text: string): void {
  const { task } = record;
  for (const one of allOwed(record))
    endOwed(change, one, { ok: false, task, code: 'cancelled', text });
}

/** A stop or kill is also about what has not begun, or would begin elsewhere. */
export function withdrawOwed(change: Change, { verb, targets, on, signal }: VerbRequest): void {
  if (verb !== 'stop' && (verb !== 'kill' || signal !== undefined)) return;
  const { state } = change;
  for (const target of targets) {
    const run = isRunId(target) ? state.runs.get(target) : undefined;
    const [name = '', nodeName] = run ? [run.task, undefined] : target.split('@', 2);
    const task = state.tasks.get(name);
    if (!task || (!task.owed && !task.leaving)) continue;
    const isMeant = (uid: string | undefined): boolean => {
      if (run) return uid === run.uid;
      if (nodeName === undefined && on === undefined) return true;
      const node = state.nodes.get(uid ?? '');
      if (!node) return false;
      return nodeName === undefined ? selects(on ?? '', node) : node.name === nodeName;
    };
    const { owed = [], leaving = [] } = task;
    const gone = {
      owed: owed.filter(({ uid }) => isMeant(uid)),
      leaving: leaving.filter(({ uid }) => isMeant(uid)),
    };
    cancelOwed(change, { ...task, ...gone }, `cancelled by ${verb}`);
    putTask(state, name, {
      ...task,
      owed: owed.filter(({ uid }) => !isMeant(uid)),
      leaving: leaving.map((one) => (isMeant(one.uid) ? { ...one, again: undefined } : one)),
    });
  }
}

/** An operation is cancelled: what it is owed is so no longer. */
export function cancelOwedOf(change: Change, operation: string, token: string): boolean {
  const { state } = change;
  for (const name of state.index.short) {
    const task = state.tasks.get(name);
    if (!task) continue;
    const isIt = (owed: Owed | undefined): boolean =>
      owed?.operation === operation && owed.token === token;
    const { owed = [], leaving = [] } = task;
    if (!owed.some(isIt) && !leaving.some(({ again }) => isIt(again))) continue;
    const text = 'cancelled before it was carried out';
    answerOperation(change, operation, token, { ok: false, task: name, code: 'cancelled', text });
    putTask(state, name, {
      ...task,
      owed: owed.filter((one) => !isIt(one)),
      leaving: leaving.map((one) => (isIt(one.again) ? { ...one, again: undefined } : one)),
    });
    return true;
  }
  return false;
}
