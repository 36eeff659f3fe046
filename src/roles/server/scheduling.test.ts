import { expect, test } from 'vitest';
import { LotcError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { Refusal } from './model/change.ts';
import { indexSchedule } from './model/placement.ts';
import { emptyState, type ScheduleRecord, type State } from './model/state.ts';
import type { Plan } from './model/timing.ts';
import { checkAsked, coming, dueOf, rowsWithNext, spentOf } from './scheduling.ts';

const NOW = 1_800_000_000_000_000;
const S = 1_000_000;
const HOUR = 3_600 * S;

function record(plan: Partial<Plan>, more: Partial<ScheduleRecord> = {}): ScheduleRecord {
  const whole: Plan = {
    ...{ schedule: 's', action: 'start', task: 'web', sinceUs: NOW - HOUR, revision: 1 },
    ...{ missed: 'skip', overlap: 'forbid', ...plan },
  };
  return { plan: whole, paused: false, pausedOn: [], doneUs: 0, ...more };
}

function stateOf(...records: readonly ScheduleRecord[]): State {
  const state = emptyState();
  for (const one of records) {
    state.schedules.set(one.plan.schedule, one);
    indexSchedule(state, one);
  }
  return state;
}

test.each([
  ['usage', { cron: '* * *' }],
  ['usage', { cron: '61 * * * *' }],
  ['usage', { cron: '* * * * *', tz: 'Mars/Base' }],
  ['usage', { everyUs: 1_000 }],
  ['usage', { everyUs: S, count: 0 }],
  ['usage', { everyUs: S, inUs: S }],
  ['never-comes', { cron: '0 0 31 2 *' }],
  ['never-comes', { everyUs: HOUR, untilUs: NOW + S }],
  ['ok', { cron: '0 0 29 2 *', tz: 'local' }],
  ['ok', { inUs: 0 }],
  ['ok', { at: 1 }],
])('%s: %j', (code, timing) => {
  let found = 'ok';
  try {
    checkAsked(timing, NOW);
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof LotcError)) throw error;
    found = error.code;
  }
  expect(found).toBe(code);
});

test('rows get their coming instants; what rests has none, long lists only the next', () => {
  const every = record({ everyUs: HOUR, fromUs: NOW });
  const [row, resting] = rowsWithNext([every.plan, { ...every.plan, paused: true }], NOW);
  expect(row?.next).toEqual([1, 2, 3, 4, 5].map((n) => NOW + n * HOUR));
  expect(resting?.next).toEqual([]);
  const long = rowsWithNext(
    Array.from({ length: 1_001 }, () => every.plan),
    NOW,
  );
  expect(long.at(-1)?.next).toEqual([NOW + HOUR]);
});

test('the coming instants of all schedules together, in order', () => {
  const hourly = record({ schedule: 'h', everyUs: HOUR, fromUs: NOW });
  const once = record({ schedule: 'o', at: NOW + 90 * 60 * S });
  const resting = record({ schedule: 'r', everyUs: S, fromUs: NOW }, { paused: true });
  const past = record({ schedule: 'p', at: NOW - 1 });
  const found = coming([hourly, once, resting, past], NOW, 3);
  expect(found.map(({ record: { plan }, atUs }) => [plan.schedule, (atUs - NOW) / HOUR])).toEqual([
    ['h', 1],
    ['o', 1.5],
    ['h', 2],
  ]);
});

test('a load is due at its instant, once, also when the server was away then', () => {
  const load = { action: 'load', task: undefined, bundle: 'code' };
  const due = (plan: Partial<Plan>, more: Partial<ScheduleRecord> = {}): number[] =>
    dueOf(stateOf(record({ ...load, ...plan }, more)), NOW).map(({ plannedUs }) => plannedUs);
  expect(due({ at: NOW + 1 })).toEqual([]);
  expect(due({ at: NOW })).toEqual([NOW]);
  expect(due({ at: NOW - S })).toEqual([NOW - S]);
  expect(due({ at: NOW - 2 * HOUR, missed: 'once' })).toEqual([NOW - 2 * HOUR]);
  expect(due({ at: NOW - S }, { doneUs: NOW - S })).toEqual([]);
  expect(due({ at: NOW - S }, { paused: true })).toEqual([]);
  expect(dueOf(stateOf(record({ at: NOW - S })), NOW)).toEqual([]);
});

test('what has fired for the last time is forgotten after its time, the rest never', () => {
  const keptUs = limits.scheduleSpentKeptMs * 1000;
  const longUs = limits.scheduleMissedKeptMs * 1000;
  const spent = (plan: Partial<Plan>): boolean =>
    spentOf(stateOf(record({ sinceUs: NOW - 2 * longUs, ...plan })), NOW).length > 0;
  expect(spent({ at: NOW - keptUs + S })).toBe(false);
  expect(spent({ at: NOW - keptUs - S })).toBe(true);
  expect(spent({ at: NOW - keptUs - S, missed: 'once' })).toBe(false);
  expect(spent({ at: NOW - longUs - S, missed: 'all' })).toBe(true);
  expect(spent({ everyUs: S, untilUs: NOW - keptUs - S })).toBe(true);
  expect(spent({ cron: '@hourly', count: 3 })).toBe(true);
  expect(spent({ cron: '@hourly', count: 3, sinceUs: NOW - HOUR })).toBe(false);
  expect(spent({ cron: '@hourly' })).toBe(false);
  expect(spent({ everyUs: S, fromUs: NOW })).toBe(false);
  // A past instant that was asked for just now is still to be fired.
  expect(spent({ at: 1, missed: 'once', sinceUs: NOW })).toBe(false);
});
