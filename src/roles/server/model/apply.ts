/**
 * The model: `apply(state, command) → { reply, change }`, deterministic. It reads no clock, no
 * randomness and no configuration; the command carries everything. A command whose id was applied
 * before gets the first reply again and changes nothing.
 */
import { unreachable } from '../../../base/assert.ts';
import { errorCodes } from '../../../base/errors.ts';
import { limits } from '../../../base/limits.ts';
import type { Verb } from '../../../base/verbs.ts';
import { isEventKind } from '../../../net/event-kinds.ts';
import type { MessageKind, Shape } from '../../../net/layout.ts';
import { moveAnchor, noteAudit } from './audit.ts';
import { authorityOf, judge } from './authority.ts';
import { defineBundle, removeBundles } from './bundles.ts';
import { changeAuthority, noteTrust } from './certificates.ts';
import { Change, Refusal } from './change.ts';
import type { Command, CommandBody } from './command.ts';
import { drainNodes, settleDrains } from './drain.ts';
import { carryOutDue, forgetSpent } from './due.ts';
import { cancelOperation, execute, expireOrders } from './exec.ts';
import { lookAtHeld } from './held.ts';
import { changeIdentities, recordAdmin } from './identities.ts';
import { settlePlaces } from './instances.ts';
import { renewKey } from './keys.ts';
import { endLease, noteClock } from './leases.ts';
import { applyManifests } from './manifests.ts';
import { attachNode, detachNode, enrolNode, labelNode, removeNodes } from './nodes.ts';
import { settle } from './operations.ts';
import { withdrawOwed } from './owed.ts';
import { applyReports } from './reports.ts';
import { changeSchedules } from './schedules.ts';
import type { Reply, State } from './state.ts';
import { addTask, markTasks, removeTasks } from './tasks.ts';
import { checkTimes } from './times.ts';
import { createToken, removeTokens } from './tokens.ts';
import { applyVerb, scheduleVerb, type VerbRequest } from './verbs.ts';
import { noteWish } from './wishes.ts';

export interface Outcome {
  readonly reply: Reply;
  readonly change: Change;
  /** The command had been applied before: the reply is the first one. */
  readonly repeated: boolean;
}

/** Commands of the server itself are never repeated, so their ids need no memory. */
const unrepeated: ReadonlySet<string> = new Set([
  ...[
    'report',
    'attach',
    'detach',
    'tick',
    'scheduleDue',
    'scheduleSpent',
    'leaseOver',
    'nodeClock',
  ],
  ...['refused', 'auditAnchor', 'told', 'trusts'],
]);

export function apply(state: State, command: Command, seq: number): Outcome {
  const change = new Change(state, command);
  state.seq = seq;
  state.at = Math.max(state.at, command.at);
  const id = unrepeated.has(command.kind) ? '' : Buffer.from(command.key).toString('latin1');
  const known = id === '' ? undefined : state.replies.get(id);
  if (known) return { reply: known.reply, change, repeated: true };
  let reply: Reply;
  try {
    checkAuthority(change);
    if (id !== '') checkTimes(command.body);
    reply = dispatch(change, command);
    lookAround(change);
    settle(
      change,
      command.kind === 'retCancel' ? 'cancelled' : command.kind === 'tick' ? 'expired' : undefined,
    );
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    ({ reply } = error);
  }
  if (id !== '') remember(state, id, reply);
  noteAudit(change, reply);
  return { reply, change, repeated: false };
}

/** What follows from what has changed, until nothing more does. */
function lookAround(change: Change): void {
  for (let seen = -1; seen !== change.runs.size; ) {
    seen = change.runs.size;
    settlePlaces(change);
    lookAtHeld(change);
  }
  settleDrains(change);
}

/** What the server makes of an act at its door or its disk; the key is told for the audit only. */
const unjudged: ReadonlySet<string> = new Set(['enrol', 'renew', 'identify', 'refused']);

/** Who has a record here is judged by it; the server's own commands have none. */
function checkAuthority(change: Change): void {
  const { command, state } = change;
  const { by, kind, body } = command;
  if (by === undefined || unjudged.has(kind)) return;
  const authority = authorityOf(state, by, command);
  const refusal = judge(state, authority, kind as MessageKind, body);
  if (refusal) throw refusal;
  change.within = authority.scope;
  const identity = state.identities.get(by);
  if (identity) state.identities.set(by, { ...identity, lastSeen: command.at });
}

function remember(state: State, id: string, reply: Reply): void {
  state.replies.set(id, { at: state.at, reply });
  for (const [old, { at }] of state.replies) {
    if (
      state.replies.size <= limits.commandIdsKept &&
      at > state.at - limits.commandIdsKeptMs * 1000
    )
      break;
    state.replies.delete(old);
  }
}

function dispatch(change: Change, command: Command): Reply {
  switch (command.kind) {
    case 'hostToken':
      return createToken(change, command.body);
    case 'hostTokenRm':
      return removeTokens(change, command.body);
    case 'hostState':
      return labelNode(change, command.body);
    case 'hostRm':
      return removeNodes(change, command.body);
    case 'taskAdd':
      return addTask(change, command.body);
    case 'taskRm':
      return removeTasks(change, command.body);
    case 'taskOk':
    case 'taskNok':
      return markTasks(change, command.body.names, command.kind === 'taskOk');
    case 'taskRun':
      return verb(change, command.body.mode === 'restart' ? 'restart' : 'start', command.body);
    case 'taskStop':
    case 'taskCont':
      return verb(change, command.kind === 'taskStop' ? 'suspend' : 'resume', command.body);
    case 'taskKill':
      return verb(change, command.body.mode === 'stop' ? 'stop' : 'kill', command.body);
    case 'depDrain':
      return drainNodes(change, command.body);
    case 'depSchedule':
      return changeSchedules(change, command.body);
    case 'depIdentity':
      return changeIdentities(change, command.body);
    case 'depApply':
      return applyManifests(change, command.body);
    case 'fileDef':
      return defineBundle(change, command.body);
    case 'fileRm':
      return removeBundles(change, command.body);
    case 'retExec':
      return execute(change, command.body);
    case 'retCancel':
      return cancelOperation(change, command.body);
    case 'depAuthority':
      return changeAuthority(change, command.body);
    default:
      return dispatchOwn(change, command);
  }
}

/** Commands the server makes itself, by their kinds. */
type Own = Extract<
  Command,
  {
    kind:
      | ('found' | 'identify' | 'enrol' | 'renew' | 'attach' | 'detach' | 'report' | 'refused')
      | ('auditAnchor' | 'trusts' | 'told' | 'tick' | 'scheduleDue' | 'scheduleSpent')
      | ('leaseOver' | 'nodeClock');
  }
>;

function dispatchOwn(change: Change, command: Own): Reply {
  switch (command.kind) {
    case 'found':
      return found(change, command.body);
    case 'identify':
      return recordAdmin(change, command.body);
    case 'enrol':
      return enrolNode(change, command.body);
    case 'renew':
      return renewKey(change, command.body);
    case 'attach':
      return attachNode(change, command.body);
    case 'detach':
      return detachNode(change, command.body);
    case 'scheduleDue':
      return carryOutDue(change, command.body);
    case 'scheduleSpent':
      return forgetSpent(change, command.body.names);
    case 'report':
      return applyReports(change, command.body);
    case 'leaseOver':
      return endLease(change, command.body);
    case 'nodeClock':
      return noteClock(change, command.body);
    case 'refused':
      return alarm(change, command.body);
    case 'auditAnchor':
      return moveAnchor(change, command.body);
    case 'trusts':
      return noteTrust(change, command.body);
    case 'told':
      return tell(change, command.body);
    case 'tick':
      return expireOrders(change);
    default:
      return unreachable(command);
  }
}

/** Now, or at the instants of its timing. */
function verb(change: Change, name: Verb, body: Omit<VerbRequest, 'verb'> & Timed): Reply {
  const { timing, ...request } = body;
  const full = { ...request, verb: name };
  if (timing !== undefined) return scheduleVerb(change, full, timing);
  const reply = applyVerb(change, full);
  noteWish(change, full);
  withdrawOwed(change, full);
  return reply;
}

interface Timed {
  readonly timing?: Shape<'timing'> | undefined;
}

/** A key in two places is more than a refusal: one of them is not who it says it is. */
function alarm(change: Change, { errorCode, text }: CommandBody<'refused'>): Reply {
  if (errorCode === errorCodes.copied.number) {
    const { who, origin } = change.command;
    const told = `the identity of ${who} was used twice, the second time from ${origin}: ${text}`;
    change.event({ kind: 'identity-used-twice', text: told, node: who });
  }
  return { ok: true, body: {} };
}

function tell(change: Change, { eventKind, text }: CommandBody<'told'>): Reply {
  if (isEventKind(eventKind)) change.event({ kind: eventKind, text });
  return { ok: true, body: {} };
}

function found(change: Change, body: CommandBody<'found'>): Reply {
  change.state.fleet = body.fleet;
  return recordAdmin(change, body);
}
