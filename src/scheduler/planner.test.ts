import fc from 'fast-check';
import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { Heap } from './heap.ts';
import { type Planned, Planner, type Planning } from './planner.ts';
import type { Rule } from './rule.ts';

const T0 = 1_700_000_000_000_000;
const SECOND = 1_000_000;
const plan = (rule: Partial<Rule>, more: Partial<Planning> = {}): Planning => ({
  rule: { sinceUs: T0, ...rule },
  ...{ splayUs: 0, cursorUs: T0, local: 'UTC', all: false },
  ...more,
});
const seconds = (claims: readonly Planned[]): number[] =>
  claims.map(({ dueUs }) => (dueUs - T0) / SECOND);

test('claims reach a minute ahead and are refilled at half of it', () => {
  const planner = new Planner();
  planner.put('often', plan({ everyUs: 10 * SECOND }));
  expect(planner.wakeUs({ atUs: T0, outstanding: 0 })).toBe(T0);
  const first = planner.claim({ atUs: T0, outstanding: 0 });
  expect(seconds(first)).toEqual([10, 20, 30, 40, 50, 60]);
  expect(planner.claim({ atUs: T0, outstanding: 6 })).toEqual([]);
  expect(planner.wakeUs({ atUs: T0, outstanding: 6 })).toBe(T0 + 40 * SECOND);
  const more = planner.claim({ atUs: T0 + 40 * SECOND, outstanding: 2 });
  expect(seconds(more)).toEqual([70, 80, 90, 100]);
});

test('the earliest first, over schedules; a splay shifts the firing, not the instant', () => {
  const planner = new Planner();
  planner.put('a', plan({ everyUs: 20 * SECOND }));
  planner.put('b', plan({ everyUs: 20 * SECOND }, { splayUs: 7 * SECOND }));
  const claims = planner.claim({ atUs: T0, outstanding: 0 });
  expect(seconds(claims)).toEqual([20, 27, 40, 47, 60]);
  expect(claims[1]).toEqual({
    ...{ schedule: 'b', plannedUs: T0 + 20 * SECOND },
    dueUs: T0 + 27 * SECOND,
  });
});

test('no commit is larger than its limit, and what is due soon is claimed all the same', () => {
  const planner = new Planner();
  for (let n = 0; n < 1_500; n += 1) planner.put(`s${n}`, plan({ at: T0 + 4 * SECOND }));
  for (let n = 0; n < 600; n += 1) planner.put(`t${n}`, plan({ at: T0 + 20 * SECOND }));
  const found: Planned[] = [];
  for (let round = 0; round < 9; round += 1) {
    const claims = planner.claim({ atUs: T0, outstanding: found.length });
    expect(claims.length).toBeLessThanOrEqual(limits.claimsPerCommit);
    found.push(...claims);
  }
  expect(found).toHaveLength(1_500);
  expect(planner.claim({ atUs: T0 + 15 * SECOND, outstanding: 0 })).toHaveLength(600);
  expect(planner.wakeUs({ atUs: T0, outstanding: 0 })).toBeUndefined();
});

test('count ends a schedule, and a schedule that is gone hands nothing out', () => {
  const planner = new Planner();
  planner.put('thrice', plan({ everyUs: SECOND, count: 3 }));
  planner.put('gone', plan({ everyUs: SECOND }));
  planner.remove('gone');
  expect(seconds(planner.claim({ atUs: T0, outstanding: 0 }))).toEqual([1, 2, 3]);
  expect(planner.cursorOf('thrice')).toBe(T0 + 3 * SECOND);
  expect(planner.cursorOf('gone')).toBeUndefined();
});

test('a clock that goes back repeats nothing', () => {
  const planner = new Planner();
  planner.put('tick', plan({ everyUs: SECOND }));
  const before = planner.claim({ atUs: T0 + 100 * SECOND, outstanding: 0 });
  const after = planner.claim({ atUs: T0, outstanding: 0 });
  expect(after).toEqual([]);
  const again = planner.claim({ atUs: T0 + 160 * SECOND, outstanding: 0 });
  const all = [...before, ...again].map(({ plannedUs }) => plannedUs);
  expect(new Set(all).size).toBe(all.length);
});

function drain(planner: Planner, atUs: number): Planned[] {
  const found: Planned[] = [];
  for (let some = 1; some > 0; ) {
    const claims = planner.claim({ atUs, outstanding: 0 });
    some = claims.length;
    found.push(...claims);
  }
  return found;
}

test('a very long stretch of missed instants is handed out as its ends and one between', () => {
  const planner = new Planner();
  planner.put('tick', plan({ everyUs: SECOND }));
  const found = drain(planner, T0 + 10_000_000 * SECOND);
  const leaps = found.filter(({ omittedToUs }) => omittedToUs !== undefined);
  expect(leaps).toHaveLength(1);
  expect(found.length).toBeLessThan(2_200);
  // Nothing between two neighbours is unaccounted for.
  for (const [index, { plannedUs }] of found.entries()) {
    const last = found[index - 1];
    const from = last?.omittedToUs ?? last?.plannedUs ?? T0;
    expect(plannedUs - from).toBeLessThanOrEqual(SECOND);
    expect(plannedUs).toBeGreaterThan(from);
  }
});

test('with all, every missed instant is handed out', () => {
  const planner = new Planner();
  planner.put('tick', plan({ everyUs: SECOND }, { all: true }));
  expect(drain(planner, T0 + 5_000 * SECOND)).toHaveLength(5_060);
});

test('the heap is always in order, whatever is moved and taken out', () => {
  const commands = fc.array(fc.tuple(fc.nat(20), fc.integer({ min: -1, max: 100 })), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(commands, (list) => {
      const heap = new Heap<{ key: number; value: number; place: number }>(
        (a, b) => a.value < b.value,
      );
      const all = Array.from({ length: 21 }, (_, key) => ({ key, value: 0, place: -1 }));
      for (const [key, value] of list) {
        const entry = all[key];
        if (!entry) continue;
        if (value < 0) heap.take(entry);
        else {
          entry.value = value;
          heap.put(entry);
        }
      }
      const left = all.filter(({ place }) => place >= 0).map(({ value }) => value);
      const taken: number[] = [];
      for (let { top } = heap; top; { top } = heap) {
        taken.push(top.value);
        heap.take(top);
      }
      expect(taken).toEqual([...left].sort((a, b) => a - b));
    }),
  );
});
