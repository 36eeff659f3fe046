import { expect, test } from 'vitest';
import { Threshold } from './threshold.ts';

test('told once, and again after it was clearly below', () => {
  const threshold = new Threshold();
  const values = [99, 100, 101, 150, 95, 101, 90, 101, 89, 100, 101];
  expect(values.map((value) => threshold.crossed('R1', value, 100))).toEqual([
    ...[false, false, true, false, false, false, false, false, false, false, true],
  ]);
  expect(threshold.crossed('R2', 101, 100)).toBe(true);
  threshold.keep(new Set(['R2']));
  expect(threshold.crossed('R1', 101, 100)).toBe(true);
  expect(threshold.crossed('R2', 101, 100)).toBe(false);
});
