/**
 * Schedules: made by a verb that carries a timing, removed, paused and resumed by id, by task or
 * by node. Firing them is their nodes' own work; the server keeps what was asked, and who has it.
 */
import type { ErrorCode } from '../../../base/errors.ts';
import { isRunId } from '../../../base/ids.ts';
import { limits } from '../../../base/limits.ts';
import { namesIn } from '../../../base/selector.ts';
import { type Change, Refusal } from './change.ts';
import type { CommandBody } from './command.ts';
import { checkFirings } from './dependencies.ts';
import { makeId } from './ids.ts';
import {
  dropSchedule,
  indexSchedule,
  placeSchedule,
  placeSchedulesOn,
  scheduleSelects,
  schedulesOf,
} from './placement.ts';
import { mayBePlaced, nodeNamed, selectNodes, selectorOf, taskNamed } from './resolve.ts';
import { answerRow } from './rows.ts';
import type { Answer, Reply, ScheduleRecord, State } from './state.ts';
import { isSpent, type Plan, ruleOf, samePlan, type Timing } from './timing.ts';

/** What a plan says beside its rule. */
export type Deed = Pick<
  Plan,
  | ('action' | 'env' | 'arguments' | 'signal' | 'bundle' | 'digest' | 'sizeBytes' | 'force')
  | 'signature'
>;

export interface ScheduledVerb {
  readonly timing: Timing;
  readonly deed: Deed;
  /** Of tasks; a load or unload has none. */
  readonly targets?: readonly string[] | undefined;
  readonly on?: string | undefined;
}

/** One schedule for each target: the reply has their ids, and who could not have one. */
export function makeSchedules(change: Change, verb: ScheduledVerb): Reply {
  const { timing, targets } = verb;
  const wanted = targets === undefined ? [undefined] : [...new Set(targets)];
  if (wanted.length > 1 && timing.schedule !== undefined) {
    throw new Refusal('usage', '--schedule-name names one schedule; give it one target');
  }
  const answers: Answer[] = [];
  const made: ScheduleRecord[] = [];
  let unchanged = true;
  for (const target of wanted) {
    try {
      const { record, isNew } = makeOne(change, verb, target);
      made.push(record);
      unchanged &&= !isNew;
      answers.push({ ok: true, task: record.plan.task, unchanged: isNew ? undefined : true });
    } catch (error) {
      if (!(error instanceof Refusal) || wanted.length === 1) throw error;
      const { code, message: text, hint } = error;
      answers.push({ ok: false, task: target, code, text, hint });
    }
  }
  const [first] = answers;
  if (made.length === 0 && first) {
    throw new Refusal(first.code ?? 'failed', first.text ?? '', first.hint, answers);
  }
  const ids = made.map(({ plan }) => plan.schedule);
  return { ok: true, body: { made: ids, answers: answers.map(answerRow), unchanged } };
}

function makeOne(
  change: Change,
  verb: ScheduledVerb,
  target: string | undefined,
): { record: ScheduleRecord; isNew: boolean } {
  const { state, command } = change;
  const { timing, deed } = verb;
  const aim = target === undefined ? { on: verb.on } : aimOf(state, target, verb.on);
  const id = timing.schedule ?? makeId('S', command.key, target ?? '', deed.bundle ?? '');
  const { at, who } = command;
  const rule = ruleOf(timing, at);
  const old = state.schedules.get(id);
  const revision = (old?.plan.revision ?? 0) + 1;
  const plan = lean({ ...rule, ...deed, ...aim, schedule: id, who, revision });
  if (old && samePlan(old.plan, plan)) return { record: old, isNew: false };
  if (old && !isSpent(old.plan, at)) {
    throw new Refusal(
      'exists',
      `schedule "${id}" exists with another content`,
      `to put this one in its place: lotc admin schedule rm ${id}`,
    );
  }
  if (old) dropSchedule(change, old);
  else if (state.schedules.size >= limits.schedules) {
    const most = limits.schedules;
    throw new Refusal('too-large', `there are ${most} schedules already, the most a server holds`);
  }
  const task = state.tasks.get(plan.task ?? '');
  if (task) checkFirings(state, task, plan);
  const { within } = change;
  const record: ScheduleRecord = { plan, within, paused: false, pausedOn: [], doneUs: 0 };
  state.schedules.set(id, record);
  indexSchedule(state, record);
  placeSchedule(change, record, { anew: true });
  const what = plan.task === undefined ? `bundle "${plan.bundle ?? ''}"` : `task "${plan.task}"`;
  const text = `schedule "${id}": ${plan.action} of ${what}`;
  change.event({ kind: 'schedule-created', text, task: plan.task, bundle: plan.bundle });
  return { record, isNew: true };
}

/** A plan is held many thousand times: what was not asked for is not there. */
export function lean(plan: Plan): Plan {
  const given = Object.entries(plan).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given) as unknown as Plan;
}

/** `TASK` or `TASK@NODE`; it must select some node today, and any node named in full. */
function aimOf(
  state: State,
  target: string,
  on: string | undefined,
): { readonly task: string; readonly on: string | undefined } {
  if (isRunId(target)) {
    throw new Refusal('usage', `"${target}" is a run; a schedule acts on a task`);
  }
  const [name = '', nodeName] = target.split('@', 2);
  const task = taskNamed(state, name);
  if (task.removing !== undefined) throw new Refusal('in-use', `task "${name}" is being removed`);
  if (nodeName !== undefined) nodeNamed(state, nodeName);
  const where = nodeName ?? on;
  const nodes = where === undefined ? [...state.nodes.values()] : selectNodes(state, where);
  const plan = { schedule: '', action: '', task: name, on: where } as Plan;
  const record: ScheduleRecord = { plan, paused: false, pausedOn: [], doneUs: 0 };
  const selected = new Set(
    nodes.filter((node) => scheduleSelects(state, record, node)).map((node) => node.name),
  );
  for (const spelled of where === undefined ? [] : namesIn(selectorOf(where))) {
    if (selected.has(spelled)) continue;
    const hint = 'see: lotc admin task show, lotc admin bundle show';
    throw new Refusal('not-selected', `task "${name}" does not select node ${spelled}`, hint);
  }
  if (selected.size === 0 && !(where === undefined && mayBePlaced(state, task))) {
    const place = where === undefined ? '' : ` on "${where}"`;
    const hint = `see: lotc admin task show ${name}, lotc admin node ls`;
    throw new Refusal('nothing-matches', `no node matches task "${name}"${place}`, hint);
  }
  return { task: name, on: where };
}

/** `schedule rm`, `pause`, `resume`. */
export function changeSchedules(change: Change, body: CommandBody<'depSchedule'>): Reply {
  const { state } = change;
  const { mode, on } = body;
  const uids = on === undefined ? undefined : selectNodes(state, on).map(({ uid }) => uid);
  if (mode !== 'rm' && mode !== 'pause' && mode !== 'resume') {
    throw new Refusal('unsupported', `this server cannot ${mode} a schedule`);
  }
  if (!body.names?.length && body.task === undefined) {
    if (mode === 'rm' || !uids) throw new Refusal('usage', `schedule ${mode}: name a schedule`);
    return markNodes(change, uids, mode === 'pause');
  }
  if (mode === 'rm' && uids) {
    const hint = 'to let it rest on some nodes: lotc admin schedule pause';
    throw new Refusal('usage', 'schedule rm removes it everywhere; it takes no --on', hint);
  }
  const { records, answers } = named(state, body);
  for (const record of records) {
    const answer = mode === 'rm' ? remove(change, record) : mark(change, record, { mode, uids });
    answers.push({ ...answer, task: record.plan.task });
  }
  const [first] = answers;
  if (first && !answers.some(({ ok }) => ok)) {
    const code = answers.every((answer) => answer.code === first.code) ? first.code : undefined;
    throw new Refusal(code ?? 'some-failed', first.text ?? '', first.hint, answers);
  }
  return { ok: true, body: { answers: answers.map(answerRow) } };
}

function named(
  state: State,
  { names = [], task }: CommandBody<'depSchedule'>,
): { readonly records: readonly ScheduleRecord[]; readonly answers: Answer[] } {
  const records = new Set<ScheduleRecord>();
  const answers: Answer[] = [];
  for (const name of new Set(names)) {
    const record = state.schedules.get(name);
    if (record && (task === undefined || record.plan.task === task)) records.add(record);
    else answers.push({ ...noSchedule(name), ok: false });
  }
  if (task !== undefined && names.length === 0) {
    taskNamed(state, task);
    const all = schedulesOf(state, task);
    if (all.length === 0) {
      const hint = 'see: lotc admin schedule ls';
      throw new Refusal('nothing-matches', `task "${task}" has no schedule`, hint);
    }
    for (const record of all) records.add(record);
  }
  return { records: [...records], answers };
}

function noSchedule(name: string): { code: ErrorCode; text: string; hint: string } {
  const text = `there is no schedule "${name}"`;
  return { code: 'no-such-schedule', text, hint: 'see: lotc admin schedule ls' };
}

export function scheduleNamed(state: State, name: string): ScheduleRecord {
  const record = state.schedules.get(name);
  const { code, text, hint } = noSchedule(name);
  if (!record) throw new Refusal(code, text, hint);
  return record;
}

function remove(change: Change, record: ScheduleRecord): Answer {
  const { schedule, task, bundle } = record.plan;
  dropSchedule(change, record);
  const text = `schedule "${schedule}" removed`;
  change.event({ kind: 'schedule-removed', text, task, bundle });
  return { ok: true, text };
}

interface Marking {
  readonly mode: 'pause' | 'resume';
  readonly uids: readonly string[] | undefined;
}

export function mark(change: Change, record: ScheduleRecord, { mode, uids }: Marking): Answer {
  const { schedule, task, bundle } = record.plan;
  const pause = mode === 'pause';
  const rest = new Set(record.pausedOn);
  for (const uid of uids ?? (pause ? [] : [...rest])) {
    if (pause) rest.add(uid);
    else rest.delete(uid);
  }
  const paused = uids ? record.paused : pause;
  if (!pause && uids && record.paused) {
    const text = `schedule "${schedule}" is paused on all nodes, not on some`;
    const hint = `to let it go on everywhere: lotc admin schedule resume ${schedule}`;
    return { ok: false, code: 'unsupported', text, hint };
  }
  if (paused === record.paused && rest.size === record.pausedOn.length) {
    const text = `schedule "${schedule}": ${pause ? 'paused' : 'not paused'} already`;
    return { ok: true, unchanged: true, text };
  }
  const plan = { ...record.plan, revision: record.plan.revision + 1 };
  // As on the nodes: what came while it rested is past, and not the server's to catch up on.
  const doneUs = record.paused ? Math.max(record.doneUs, change.command.at) : record.doneUs;
  const marked: ScheduleRecord = { ...record, plan, paused, pausedOn: [...rest], doneUs };
  change.state.schedules.set(schedule, marked);
  placeSchedule(change, marked);
  const text = `schedule "${schedule}" ${mode}d`;
  change.event({ kind: pause ? 'schedule-paused' : 'schedule-resumed', text, task, bundle });
  return { ok: true, text };
}

/** All schedules of these nodes, also those that are made while they rest. */
function markNodes(change: Change, uids: readonly string[], pause: boolean): Reply {
  const { state } = change;
  const answers: Answer[] = [];
  for (const uid of uids) {
    const node = state.nodes.get(uid);
    if (!node) continue;
    const text = `schedules of node ${node.name} ${pause ? 'paused' : 'resumed'}`;
    const isPaused = node.paused === true;
    const single = [...state.schedules.values()].filter(({ pausedOn }) => pausedOn.includes(uid));
    if (isPaused === pause && (pause || single.length === 0)) {
      answers.push({ ok: true, node: node.name, unchanged: true, text });
      continue;
    }
    state.nodes.set(uid, { ...node, paused: pause ? true : undefined });
    for (const record of pause ? [] : single) {
      const pausedOn = record.pausedOn.filter((other) => other !== uid);
      state.schedules.set(record.plan.schedule, { ...record, pausedOn });
    }
    placeSchedulesOn(change, uid);
    change.event({ kind: pause ? 'node-paused' : 'node-resumed', text, node: node.name });
    answers.push({ ok: true, node: node.name, text });
  }
  return { ok: true, body: { answers: answers.map(answerRow) } };
}
