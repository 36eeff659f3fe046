import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Shape } from '../../net/layout.ts';
import { FireSummary } from './summary.ts';

const fire = (more: Partial<Shape<'fire'>>): Shape<'fire'> => {
  return { schedule: 's', action: 'start', task: 'web', node: 'n1', plannedUs: 0, ...more };
};

function summaryOf(...fires: Shape<'fire'>[]): Shape<'summary'> | undefined {
  const figures = new FireSummary();
  for (const one of fires) figures.add(one);
  return figures.rows()[0];
}

test('results are counted; what is still happening counts as a firing only', () => {
  const row = summaryOf(
    ...[fire({ result: 'ok', lateUs: 5 }), fire({ result: 'skipped' }), fire({ result: 'lost' })],
    ...[fire({ result: 'failed' }), fire({}), fire({ result: 'ok', lateUs: 1 })],
  );
  expect(row).toMatchObject({
    count: 6,
    okCount: 2,
    skippedCount: 1,
    failedCount: 1,
    lostCount: 1,
  });
  expect(row).toMatchObject({ lateP50Us: 1, lateP99Us: 5, lateMaxUs: 5 });
});

test('percentiles are by nearest rank', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -50, max: 1e6 }), { minLength: 1 }), (late) => {
      const row = summaryOf(...late.map((lateUs) => fire({ lateUs })));
      for (const [share, value] of [
        [0.5, row?.lateP50Us],
        [0.95, row?.lateP95Us],
        [0.99, row?.lateP99Us],
      ] as const) {
        const below = late.filter((one) => one <= (value ?? Number.NaN)).length;
        const under = late.filter((one) => one < (value ?? Number.NaN)).length;
        expect(below / late.length).toBeGreaterThanOrEqual(share);
        expect(under / late.length).toBeLessThan(share);
      }
      expect(row?.lateMaxUs).toBe(Math.max(...late));
    }),
  );
});

test('skew is between nodes at one instant, with what their clocks may be wrong by', () => {
  const at = (node: string, plannedUs: number, lateUs: number, clockErrorUs?: number) =>
    fire({ node, plannedUs, lateUs, clockErrorUs });
  expect(summaryOf(at('n1', 0, 10, 3), at('n1', 1, 900, 3))).not.toHaveProperty('skewMaxUs', 890);
  const row = summaryOf(
    ...[at('n1', 0, 10, 3), at('n2', 0, 40, 4), at('n3', 0, 25, 900)],
    ...[at('n1', 1, 10, 5), at('n2', 1, 12, 6)],
  );
  expect(row).toMatchObject({ skewP50Us: 2, skewMaxUs: 30, skewErrorUs: 11 });
  const unknown = summaryOf(at('n1', 0, 10, 3), at('n2', 0, 40));
  expect(unknown).toMatchObject({ skewMaxUs: 30, skewErrorUs: undefined });
});
