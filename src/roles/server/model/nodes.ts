/** Nodes: enrolled by token, seen to come and go, labelled, removed. */
import { limits } from '../../../base/limits.ts';
import { isName, nameFault } from '../../../base/names.ts';
import { newAssignment } from './assignment.ts';
import { loadBundles } from './bundles.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { endHeld } from './held.ts';
import { enrolConsole, loggedIn } from './identities.ts';
import { makeId } from './ids.ts';
import { lookAgain, replace, settleTask } from './instances.ts';
import { takeKey } from './keys.ts';
import { answerOperation, closeOrder, openOperation } from './operations.ts';
import { forgetPlacements, placeSchedulesOn } from './placement.ts';
import { nodeNamed } from './resolve.ts';
import { answerRow, nodeRow } from './rows.ts';
import { isArmed, liveRuns, setRow } from './runs.ts';
import type { Answer, Labels, NodeRecord, Reply, RunRecord } from './state.ts';
import { finishRemoval, stopForRemoval } from './tasks.ts';
import { usableToken, useToken } from './tokens.ts';
import { refusalOf } from './verbs.ts';
import { startWished } from './wishes.ts';

/** Enrolment: one command uses the token, makes the node (or identity) and records its key. */
export function enrolNode(change: Change, body: CommandBody<'enrol'>): Reply {
  const { state, command } = change;
  const known = state.tokens.get(body.token)?.enrolled.includes(body.spki) ?? false;
  if (body.role !== undefined && body.role !== 'agent') {
    return known ? loggedIn(state, body.spki) : enrolConsole(change, body);
  }
  if (known) return enrolled(change, body.spki);
  const token = usableToken(change, body, 'agent');
  const name = grantedName(change, token.node, body.node);
  const labels = grantedLabels(token.labels, body.labels);
  checkLabels(labels);
  const { at } = command;
  const node: NodeRecord = {
    ...{ uid: makeId('N', command.key, body.spki), name, labels, spki: body.spki },
    ...{ instance: body.instance, createdAt: at, createdBy: token.createdBy, reportSeq: 0 },
    ...{ build: body.build, addresses: body.addresses ?? [], boot: '', containment: '' },
    ...{ lastSeen: at, left: false },
  };
  state.nodes.set(node.uid, node);
  state.index.nodeByName.set(name, node.uid);
  state.assignments.set(node.uid, newAssignment());
  const { uid, spki } = node;
  state.identities.set(spki, { spki, name, role: 'agent', node: uid, createdAt: at });
  useToken(change, token, spki, `node ${name}`);
  loadBundles(change, node);
  placeSchedulesOn(change, node.uid);
  startWished(change, node);
  change.event({
    kind: 'node-joined',
    text: `node ${name} joined with token ${token.token}`,
    node: name,
  });
  return enrolled(change, spki);
}

const TOKEN_HINT = 'make another: lotc admin token create --role agent';

function enrolled(change: Change, spki: string): Reply {
  const identity = change.state.identities.get(spki);
  const node = identity?.node === undefined ? undefined : change.state.nodes.get(identity.node);
  if (!node) throw new Refusal('unauthenticated', 'the node of this key was removed', TOKEN_HINT);
  return { ok: true, body: { node: node.name, uid: node.uid, labels: node.labels } };
}

function grantedName(change: Change, bound: string | undefined, asked: string | undefined): string {
  const name = bound ?? asked ?? '';
  if (bound !== undefined && asked !== undefined && asked !== bound) {
    throw new Refusal(
      'not-allowed',
      `this token is for node "${bound}", not "${asked}"`,
      `start the agent with --name ${bound}`,
    );
  }
  const fault = nameFault(name);
  if (fault !== undefined) throw new Refusal('usage', `"${name}" is no node name: ${fault}`);
  if (change.state.index.nodeByName.has(name)) {
    throw new Refusal(
      'name-taken',
      `a node named "${name}" is enrolled already`,
      `choose another --name, or free it first: lotc admin node rm ${name}`,
    );
  }
  return name;
}

/** A token's labels are what the node has; of others it may claim any. */
function grantedLabels(bound: Labels = {}, asked: Labels = {}): Labels {
  for (const [key, value] of Object.entries(asked)) {
    const granted = Object.hasOwn(bound, key) ? bound[key] : value;
    if (granted === value) continue;
    throw new Refusal(
      'not-allowed',
      `this token is for nodes with ${key}=${granted}, not ${key}=${value}`,
      `start the agent with --label ${key}=${granted}, or without`,
    );
  }
  return { ...asked, ...bound };
}

function checkLabels(labels: Labels): void {
  const entries = Object.entries(labels);
  if (entries.length > limits.labelsPerNode) {
    throw new Refusal(
      'too-large',
      `${entries.length} labels; a node has at most ${limits.labelsPerNode}`,
    );
  }
  for (const [key] of entries) {
    if (!isName(key)) throw new Refusal('usage', `"${key}" is no label: ${nameFault(key) ?? ''}`);
  }
}

const sortedText = (labels: Labels): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

export function labelNode(change: Change, body: CommandBody<'hostState'>): Reply {
  const { state } = change;
  const node = nodeNamed(state, body.node);
  const labels: Record<string, string> = { ...node.labels, ...body.labels };
  for (const key of body.labelsRemoved ?? []) delete labels[key];
  checkLabels(labels);
  const before = sortedText(node.labels);
  const unchanged = before === sortedText(labels);
  const changed: NodeRecord = { ...node, labels };
  if (!unchanged) {
    state.nodes.set(node.uid, changed);
    loadBundles(change, changed);
    placeSchedulesOn(change, node.uid);
    lookAgain(change, node.uid);
    startWished(change, changed);
    const text = Object.entries(labels)
      .map(([k, v]) => `${k}=${v}`)
      .join(' ');
    change.event({
      kind: 'node-labelled',
      text: `node ${node.name}: ${text || 'no labels'}`,
      node: node.name,
    });
  }
  return { ok: true, body: { nodes: [{ ...nodeRow(changed), nodeState: '' }], unchanged } };
}

export function attachNode(change: Change, body: CommandBody<'attach'>): Reply {
  const node = change.state.nodes.get(body.uid);
  if (!node) throw new Refusal('no-such-node', 'this node was removed');
  const { instance, build, addresses, boot = '', containment = '', holds, room } = body;
  const lastSeen = change.command.at;
  const seen = { instance, build, addresses, boot, containment, holds, room, lastSeen };
  const came = { left: false, here: true } as const;
  const record: NodeRecord = { ...takeKey(change, node, body.spki), ...seen, ...came };
  change.state.nodes.set(node.uid, record);
  if (!node.here) lookAgain(change, node.uid);
  change.event({ kind: 'node-online', text: `node ${node.name} is online`, node: node.name });
  return { ok: true, body: {} };
}

export function detachNode(change: Change, body: CommandBody<'detach'>): Reply {
  const node = change.state.nodes.get(body.uid);
  if (!node) return { ok: true, body: {} };
  const left = body.orderly;
  const { lastSeen = change.command.at } = body;
  change.state.nodes.set(node.uid, { ...node, lastSeen, left, here: undefined });
  const why = body.reason === undefined ? '' : `: ${body.reason}`;
  const text = left ? `node ${node.name} left` : `node ${node.name} is unresponsive${why}`;
  change.event({ kind: left ? 'node-offline' : 'node-unresponsive', text, node: node.name });
  return { ok: true, body: {} };
}

/** `present` names the nodes that had a session when the command was accepted. */
export function removeNodes(change: Change, body: CommandBody<'hostRm'>): Reply {
  const { state } = change;
  const answers: Answer[] = [];
  const gone: NodeRecord[] = [];
  for (const name of new Set(body.names)) {
    const node = state.nodes.get(state.index.nodeByName.get(name) ?? '');
    const first = node && liveRuns(state, { uid: node.uid }).find((run) => !isArmed(run));
    if (!node) {
      answers.push({
        ok: false,
        node: name,
        code: 'no-such-node',
        text: `there is no node "${name}"`,
        hint: 'see: lotc admin node ls',
      });
    } else if (first && body.force !== true) {
      const what = first.task === undefined ? `run ${first.run}` : `task "${first.task}"`;
      answers.push({
        ...{ ok: false, node: name, code: 'running' },
        text: `node ${name} is in use: ${what} (state: ${first.row.processState})`,
        hint: `stop it first, or: lotc admin node rm ${name} --force (stops it)`,
      });
    } else gone.push(node);
  }
  if (gone.length === 0) throw refusalOf(answers);
  const { operation } = openOperation(change, { verb: 'node rm', targets: body.names });
  for (const answer of answers) answerOperation(change, operation, undefined, answer);
  for (const node of gone) removeNode(change, operation, node, body.present ?? []);
  const now = state.operations.get(operation)?.answers ?? [];
  return { ok: true, body: { operation, answers: now.map(answerRow) } };
}

function removeNode(
  change: Change,
  operation: string,
  node: NodeRecord,
  present: readonly string[],
): void {
  const { state } = change;
  const live = [...liveRuns(state, { uid: node.uid })];
  if (live.length === 0 || !present.includes(node.name)) {
    forgetNode(change, node);
    answerOperation(change, operation, undefined, { ok: true, node: node.name });
    return;
  }
  state.nodes.set(node.uid, { ...node, removing: operation });
  placeSchedulesOn(change, node.uid);
  for (const task of state.index.placedOn.get(node.uid) ?? []) settleTask(change, task);
  for (const { run } of live) {
    const record = state.runs.get(run);
    if (record && !record.ended && record.ordered !== 'down') stopOnNode(change, record);
  }
  // Starts that were held back have ended without it.
  finishNodeRemoval(change, node.uid);
}

function stopOnNode(change: Change, { run, task }: RunRecord): void {
  stopForRemoval(change, run, task === undefined ? undefined : change.state.tasks.get(task)?.spec);
}

/** Everything of the node goes: identity, sessions, orders; runs that lived there are lost. */
export function forgetNode(change: Change, node: NodeRecord): void {
  const { state } = change;
  const at = change.command.at;
  for (const task of [...(state.index.placedOn.get(node.uid) ?? [])])
    replace(change, task, node.uid, 'the node was removed');
  for (const run of [...liveRuns(state, { uid: node.uid })]) {
    const reason = 'its node was removed while it was away';
    if (run.held) endHeld(change, run, `node ${node.name} was removed`, 'no-such-node');
    else setRow(change, run, { ...run.row, processState: 'lost', exitedAt: at, reason });
    finishRemoval(change, run.task);
  }
  for (const order of [...state.orders.values()]) {
    if (order.uid !== node.uid) continue;
    const text = `node ${node.name} was removed`;
    answerOperation(change, order.operation, order.order, {
      ok: false,
      node: node.name,
      run: order.run,
      code: 'no-such-node',
      text,
    });
    closeOrder(change, order);
  }
  for (const operation of [...state.operations.values()]) {
    for (const token of operation.waiting) {
      if (!token.endsWith(` ${node.uid}`)) continue;
      answerOperation(change, operation.operation, token, {
        ok: true,
        node: node.name,
        text: 'the node was removed',
      });
    }
  }
  for (const [key, presence] of state.presences)
    if (presence.uid === node.uid) state.presences.delete(key);
  for (const [key, identity] of state.identities)
    if (identity.node === node.uid) state.identities.delete(key);
  forgetPlacements(state, node.uid);
  state.assignments.delete(node.uid);
  state.nodes.delete(node.uid);
  state.index.nodeByName.delete(node.name);
  lookAgain(change, node.uid);
  change.closed.push(node.spki);
  change.event({ kind: 'node-removed', text: `node ${node.name} removed`, node: node.name });
}

/** Removes a node that was only waiting for its last process to end. */
export function finishNodeRemoval(change: Change, uid: string): void {
  const node = change.state.nodes.get(uid);
  if (node?.removing === undefined) return;
  if (liveRuns(change.state, { uid }).next().done === true) forgetNode(change, node);
}
