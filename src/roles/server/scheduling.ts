/**
 * Where schedules meet the calendar, outside the model: what is asked is judged before it becomes
 * a command, rows get their coming instants, and the server's own part is found when it is due.
 * Every instant comes from the one module that nodes use too.
 */
import { limits } from '../../base/limits.ts';
import type { Shape } from '../../net/layout.ts';
import { checkRule, instants, nextInstant, type Rule, withoutCount } from '../../scheduler/rule.ts';
import { scheduleSelects } from './model/placement.ts';
import { rowOfMade } from './model/rows.ts';
import type { ScheduleRecord, State } from './model/state.ts';
import { checkTiming, type Plan, type Timing } from './model/timing.ts';

const NEXT_SHOWN = 5;
/** Of longer lists only the next instant is shown: each takes a look at the calendar. */
const SHORT_LIST = 1_000;

/** Rules of `--tz local` are shown as a node in this zone would take them. */
const here = new Intl.DateTimeFormat().resolvedOptions().timeZone;

/** The last of ten thousand instants of a cron rule takes half a second: it is sought once. */
const ended = new Map<string, Rule>();
const ENDED_KEPT = 10_000;

function ending(plan: Plan): Rule {
  const { cron, tz, sinceUs, untilUs, count } = plan;
  if (cron === undefined || count === undefined) return plan;
  const key = JSON.stringify([cron, tz, sinceUs, untilUs, count]);
  let rule = ended.get(key);
  if (!rule) {
    if (ended.size >= ENDED_KEPT) ended.clear();
    rule = withoutCount(plan, here);
    ended.set(key, rule);
  }
  return rule;
}

/** Throws what the console is answered; the model does not judge again what needs a calendar. */
export function checkAsked(timing: Timing, nowUs: number): void {
  checkTiming(timing);
  const { inUs, everyUs, cron, tz, untilUs, count } = timing;
  const at = inUs === undefined ? timing.at : nowUs + Math.max(1, inUs);
  const fromUs = everyUs === undefined ? undefined : (timing.fromUs ?? nowUs);
  // Whether an `at` is past is judged when it is journaled: a repeat must get the first answer.
  const rule = { at, everyUs, fromUs, cron, tz, untilUs, count, sinceUs: nowUs };
  checkRule(rule, { mayBePast: true });
}

function withNext(row: Shape<'schedule'>, nowUs: number, n: number): Shape<'schedule'> {
  const hasNext = row.paused !== true && row.sinceUs > 0;
  return { ...row, next: hasNext ? instants(ending(row), nowUs, n, here) : [] };
}

export function rowsWithNext(
  rows: readonly Shape<'schedule'>[],
  nowUs: number,
): readonly Shape<'schedule'>[] {
  const n = rows.length > SHORT_LIST ? 1 : NEXT_SHOWN;
  return rows.map((row) => withNext(row, nowUs, n));
}

export function madeRows(
  state: State,
  made: readonly string[],
  nowUs: number,
): readonly Shape<'schedule'>[] {
  const rows = made.map((schedule) => rowOfMade(state, schedule));
  return rowsWithNext(rows, nowUs);
}

/** The next `n` instants of these schedules together, in order. */
export function coming(
  records: readonly ScheduleRecord[],
  nowUs: number,
  n: number,
): readonly { readonly record: ScheduleRecord; readonly atUs: number }[] {
  const first: { record: ScheduleRecord; atUs: number }[] = [];
  for (const record of records) {
    const atUs = record.paused ? undefined : nextInstant(ending(record.plan), nowUs, here);
    if (atUs !== undefined) first.push({ record, atUs });
  }
  const inOrder = (a: { atUs: number }, b: { atUs: number }): number => a.atUs - b.atUs;
  const nearest = first.sort(inOrder).slice(0, n);
  return nearest
    .flatMap(({ record }) =>
      instants(ending(record.plan), nowUs, n, here).map((atUs) => ({ record, atUs })),
    )
    .sort(inOrder)
    .slice(0, n);
}

/** The same for each node that will fire them, as rows of the ledger. */
export function comingFires(
  state: State,
  found: ReturnType<typeof coming>,
  uids: ReadonlySet<string> | undefined,
): readonly Shape<'fire'>[] {
  return found.flatMap(({ record, atUs: plannedUs }) => {
    const { schedule, action, task, bundle } = record.plan;
    return [...state.nodes.values()]
      .filter((node) => uids === undefined || uids.has(node.uid))
      .filter((node) => node.paused !== true && !record.pausedOn.includes(node.uid))
      .filter((node) => scheduleSelects(state, record, node))
      .map((node) => ({ schedule, action, task, bundle, node: node.name, plannedUs }));
  });
}

/** Loads and unloads whose instant has come. */
export function dueOf(state: State, nowUs: number): { schedule: string; plannedUs: number }[] {
  const due: { schedule: string; plannedUs: number }[] = [];
  for (const schedule of state.index.bundleSchedules) {
    const record = state.schedules.get(schedule);
    if (!record) continue;
    const { plan, doneUs, paused } = record;
    const plannedUs = nextInstant(ending(plan), Math.max(doneUs, pastOf(plan)), here);
    if (plannedUs !== undefined && plannedUs <= nowUs && !paused) due.push({ schedule, plannedUs });
  }
  return due;
}

/** A past `at` was accepted to be carried out all the same. */
const pastOf = ({ at, sinceUs }: Plan): number => (at === undefined ? sinceUs : 0);

/** Schedules that have fired for the last time so long ago that nobody asks for them. */
export function spentOf(state: State, nowUs: number): readonly string[] {
  const spent: string[] = [];
  for (const [id, { plan }] of state.schedules) {
    const { at, untilUs, count, missed, sinceUs } = plan;
    if (at === undefined && untilUs === undefined && count === undefined) continue;
    const keptMs = missed === 'skip' ? limits.scheduleSpentKeptMs : limits.scheduleMissedKeptMs;
    const endUs = at ?? withoutCount(ending(plan), here).untilUs ?? Infinity;
    if (Math.max(endUs, sinceUs) + keptMs * 1000 < nowUs) spent.push(id);
    if (spent.length >= limits.targetsPerVerb) break;
  }
  return spent;
}
