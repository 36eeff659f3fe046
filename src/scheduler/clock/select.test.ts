import fc from 'fast-check';
import { expect, test } from 'vitest';
import { select } from './select.ts';

const interval = (lowUs: number, highUs: number) => ({ lowUs, highUs });

test.each([
  ['one alone is believed', [interval(0, 10)], interval(0, 10)],
  ['of two both must agree', [interval(0, 10), interval(8, 20)], interval(8, 10)],
  ['two that disagree prove nothing', [interval(0, 10), interval(11, 20)], undefined],
  ['one liar of three', [interval(0, 10), interval(5, 12), interval(100, 101)], interval(5, 10)],
  ['three that disagree', [interval(0, 1), interval(5, 6), interval(100, 101)], undefined],
  [
    'what the greatest overlap would exclude',
    [interval(0, 10), interval(8, 20), interval(0, 8.5)],
    interval(0, 10),
  ],
  ['a touch is an overlap', [interval(0, 10), interval(10, 20)], interval(10, 10)],
  ['nobody', [], undefined],
])('%s', (_, intervals, expected) => {
  const selection = select(intervals);
  if (expected === undefined) expect(selection).toBeUndefined();
  else expect(selection).toMatchObject(expected);
});

test('who does not meet the others is no truechimer', () => {
  const selection = select([interval(0, 10), interval(100, 101), interval(5, 12)]);
  expect(selection?.truechimers).toEqual([true, false, true]);
});

test('a source without a word counts against a majority', () => {
  expect(select([interval(0, 10)], 3)).toBeUndefined();
  expect(select([interval(0, 10), interval(11, 13)], 3)).toBeUndefined();
  // One of the two may lie: what either allows is possible.
  expect(select([interval(0, 10), interval(1, 3)], 3)).toMatchObject(interval(0, 10));
  expect(select([interval(0, 10)], 2)).toMatchObject(interval(0, 10));
});

test('the truth is inside as long as fewer than half lie', () => {
  const side = fc.double({ min: 0, max: 1_000, noNaN: true });
  const lie = fc.tuple(fc.double({ min: -5_000, max: 5_000, noNaN: true }), side);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(side, side), { minLength: 1, maxLength: 9 }),
      fc.array(lie, { maxLength: 9 }),
      (honest, lies) => {
        const liars = lies.slice(0, honest.length - 1);
        const selection = select([
          ...honest.map(([below, above]) => interval(-below, above)),
          ...liars.map(([low, wide]) => interval(low, low + wide)),
        ]);
        expect(selection).toBeDefined();
        expect(selection?.lowUs).toBeLessThanOrEqual(0);
        expect(selection?.highUs).toBeGreaterThanOrEqual(0);
      },
    ),
  );
});
