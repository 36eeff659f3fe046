/**
 * A schedule as a manifest says: made, put in the place of one with another content, or left as it
 * is, its instants included. Other than a verb with a timing it may wait for nodes to come.
 */
import { limits } from '../../../base/limits.ts';
import type { Shape } from '../../../net/layout.ts';
import { type Change, Refusal } from './change.ts';
import { checkFirings } from './dependencies.ts';
import { dropSchedule, indexSchedule, placeSchedule } from './placement.ts';
import { checkProgram } from './program.ts';
import { checkSelector, taskNamed } from './resolve.ts';
import { lean, mark } from './schedules.ts';
import type { ScheduleRecord } from './state.ts';
import { isSpent, type Plan, ruleOf, samePlan } from './timing.ts';

export interface Put {
  readonly isNew: boolean;
  /** It was paused or resumed. */
  readonly isMarked: boolean;
}

const actions: readonly string[] = ['start', 'suspend', 'resume', 'stop', 'kill', 'restart'];

export function putSchedule(change: Change, document: Shape<'document'>): Put {
  const { state, command } = change;
  const { timing = {}, paused } = document;
  const schedule = timing.schedule ?? '';
  const old = state.schedules.get(schedule);
  const deed = deedOf(change, document);
  const planAt = (acceptedUs: number): Plan => {
    const revision = (old?.plan.revision ?? 0) + 1;
    const rule = ruleOf(timing, acceptedUs);
    return lean({ ...rule, ...deed, schedule, who: command.who, revision });
  };
  const isNew = !old || !sameAsked(old.plan, planAt);
  if (isNew) put(change, planAt(command.at), old);
  const record = state.schedules.get(schedule);
  if (!record || paused === undefined || record.paused === paused)
    return { isNew, isMarked: false };
  mark(change, record, { mode: paused ? 'pause' : 'resume', uids: undefined });
  return { isNew, isMarked: true };
}

function deedOf({ state }: Change, document: Shape<'document'>) {
  const { task = '', action = '', on, env, arguments: more, signal } = document;
  if (!actions.includes(action)) {
    throw new Refusal('usage', `action "${action}" is none of ${actions.join(', ')}`);
  }
  checkProgram({ env, arguments: more });
  const { removing } = taskNamed(state, task);
  if (removing !== undefined) throw new Refusal('in-use', `task "${task}" is being removed`);
  if (on !== undefined) checkSelector(state, on);
  return { task, action, on, env, arguments: more, signal };
}

/** Judged as of then: what was to come when it was accepted may be past by now. */
function sameAsked(old: Plan, planAt: (acceptedUs: number) => Plan): boolean {
  try {
    return samePlan(old, planAt(old.sinceUs));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return false;
  }
}

function put(change: Change, plan: Plan, old: ScheduleRecord | undefined): void {
  const { state } = change;
  const { schedule, task, action } = plan;
  checkFirings(state, taskNamed(state, task ?? ''), plan);
  if (old) dropSchedule(change, old);
  else if (state.schedules.size >= limits.schedules) {
    const most = limits.schedules;
    throw new Refusal('too-large', `there are ${most} schedules already, the most a server holds`);
  }
  // What has fired for the last time is history, and with it that it rested.
  const kept = old && !isSpent(old.plan, change.command.at) ? old : undefined;
  const { paused = false, pausedOn = [] } = kept ?? {};
  const { within } = change;
  const record: ScheduleRecord = { plan, within, paused, pausedOn, doneUs: 0 };
  state.schedules.set(schedule, record);
  indexSchedule(state, record);
  placeSchedule(change, record, { anew: true });
  const text = `schedule "${schedule}": ${action} of task "${task}"`;
  change.event({ kind: 'schedule-created', text, task });
}
