/**
 * Draining a node: nothing is placed there and nothing starts there; what serves is stopped and
 * begins elsewhere where it may, what is on its way to an end is let end. What is taken from the
 * node is owed to it (owed.ts), and begins there again when the draining is taken back.
 */

import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { ends } from './eligible.ts';
import { lookAgain, settleTask, stopRun } from './instances.ts';
import { answerOperation, awaitAnswer, openOperation } from './operations.ts';
import { oweOn } from './owed.ts';
import { placeSchedulesOn } from './placement.ts';
import { answerRow } from './rows.ts';
import { isArmed, liveRuns } from './runs.ts';
import type { Answer, NodeRecord, Reply, RunRecord, State } from './state.ts';
import { refusalOf } from './verbs.ts';
import { startWished } from './wishes.ts';

const TOKEN = 'drain ';

export function drainNodes(change: Change, body: CommandBody<'depDrain'>): Reply {
  const { state } = change;
  const { mode, names } = body;
  if (mode !== 'drain' && mode !== 'undrain') {
    throw new Refusal('unsupported', `this server cannot ${mode} a node`);
  }
  const answers: Answer[] = [];
  const nodes: NodeRecord[] = [];
  for (const name of new Set(names)) {
    const node = state.nodes.get(state.index.nodeByName.get(name) ?? '');
    if (node) nodes.push(node);
    else {
      const text = `there is no node "${name}"`;
      const hint = 'see: lotc admin node ls';
      answers.push({ ok: false, node: name, code: 'no-such-node', text, hint });
    }
  }
  if (nodes.length === 0) throw refusalOf(answers);
  const { operation } = openOperation(change, { verb: mode, targets: names });
  for (const answer of answers) answerOperation(change, operation, undefined, answer);
  for (const { uid } of nodes) {
    const node = state.nodes.get(uid);
    if (node && mode === 'drain') drain(change, operation, node);
    if (node && mode === 'undrain') undrain(change, operation, node);
  }
  const now = state.operations.get(operation)?.answers ?? [];
  return { ok: true, body: { operation, answers: now.map(answerRow) } };
}

function drain(change: Change, operation: string, node: NodeRecord): void {
  const { state } = change;
  const { uid, name } = node;
  if (node.draining === undefined) {
    state.nodes.set(uid, { ...node, draining: operation });
    change.event({ kind: 'node-draining', text: `node ${name} is being drained`, node: name });
    placeSchedulesOn(change, uid);
    for (const task of [...(state.index.placedOn.get(uid) ?? [])]) settleTask(change, task);
    for (const run of [...liveRuns(state, { uid })]) stopThere(change, run, name);
  }
  if (isEmpty(change, uid)) {
    const unchanged = node.draining === undefined ? undefined : true;
    const text = `nothing runs on node ${name}`;
    answerOperation(change, operation, undefined, { ok: true, node: name, unchanged, text });
  } else {
    awaitAnswer(change, operation, `${TOKEN}${uid}`);
    state.index.draining.add(operation);
  }
}

/** What serves, and what has not begun, of tasks that are not placed by number. */
function stopThere(change: Change, run: RunRecord, name: string): void {
  const task = change.state.tasks.get(run.task ?? '');
  if (!task || task.spec.instances !== undefined || task.removing !== undefined) return;
  if (isArmed(run) || run.ordered === 'down' || run.row.wish === 'down') return;
  if (run.row.startedAt !== undefined && ends(task)) return;
  oweOn(change, task, run.uid, run.given ?? {});
  stopRun(change, task, run, `node ${name} is draining`);
}

function isEmpty({ state }: Change, uid: string): boolean {
  for (const run of liveRuns(state, { uid })) if (!isArmed(run)) return false;
  return true;
}

function undrain(change: Change, operation: string, node: NodeRecord): void {
  const { name } = node;
  const unchanged = node.draining === undefined ? true : undefined;
  if (node.draining !== undefined) takeBack(change, node);
  const text = unchanged ? `node ${name} is not draining` : undefined;
  answerOperation(change, operation, undefined, { ok: true, node: name, unchanged, text });
}

function takeBack(change: Change, node: NodeRecord): void {
  const { state } = change;
  const { uid, name } = node;
  const back: NodeRecord = { ...node, draining: undefined };
  state.nodes.set(uid, back);
  for (const operation of state.index.draining) {
    const text = `the draining of node ${name} was taken back`;
    answerOperation(change, operation, `${TOKEN}${uid}`, {
      ...{ ok: false, node: name, code: 'cancelled', text },
    });
  }
  change.event({ kind: 'node-undrained', text: `node ${name} is drained no more`, node: name });
  placeSchedulesOn(change, uid);
  lookAgain(change, uid);
  startWished(change, back);
}

/** Answers whoever waits for nodes on which nothing runs any more. */
export function settleDrains(change: Change): void {
  const { state } = change;
  for (const id of state.index.draining) {
    const tokens = [...(state.operations.get(id)?.waiting ?? [])].filter(isToken);
    const met = tokens.filter((token) => isEmpty(change, uidOf(token)));
    for (const token of met) {
      const node = state.nodes.get(uidOf(token))?.name;
      answerOperation(change, id, token, { ok: true, node });
    }
    if (met.length === tokens.length) state.index.draining.delete(id);
  }
}

const isToken = (token: string): boolean => token.startsWith(TOKEN);
const uidOf = (token: string): string => token.slice(TOKEN.length);

/** After a snapshot. */
export function indexDrains({ operations, index }: State): void {
  for (const [id, { waiting }] of operations)
    if ([...waiting].some(isToken)) index.draining.add(id);
}

/** A drain that is cancelled is taken back. */
export function cancelDrain(change: Change, token: string): boolean {
  const node = isToken(token) ? change.state.nodes.get(uidOf(token)) : undefined;
  if (node?.draining === undefined) return false;
  takeBack(change, node);
  return true;
}
