import { expect, test } from 'vitest';
import { hasMoved, type Standing } from './moved.ts';
import { nothing, type Published } from './reading.ts';

const T = 5_000_000_000;
const line: Published = { ...nothing, refUs: T - 1_000_000, aheadUs: 1e15 };
const over = (from: Published): Standing => ({ offsetUs: 70, from });

test('what was said holds while nothing new is known', () => {
  expect(hasMoved(over(line), over(line), T)).toBe(false);
  expect(hasMoved(over(line), over({ ...line }), T + 60_000_000)).toBe(false);
});

test('a new estimate has moved what comes, though readings have not gone there yet', () => {
  const slewed = (us: number): Published => {
    return { ...line, refUs: T, slewRate: Math.sign(us) * 5e-4, slewUs: Math.abs(us) / 5e-4 };
  };
  expect(hasMoved(over(line), over(slewed(300)), T)).toBe(true);
  expect(hasMoved(over(line), over(slewed(-300)), T)).toBe(true);
  expect(hasMoved(over(line), over(slewed(20)), T)).toBe(false);
});

test('a jump, another rate, a step of the system clock', () => {
  expect(hasMoved(over(line), over({ ...line, aheadUs: 1e15 + 400 }), T)).toBe(true);
  expect(hasMoved(over(line), over({ ...line, rate: 1e-4 }), T)).toBe(true);
  expect(hasMoved({ offsetUs: 7 }, { offsetUs: 7 + 86_400e6 }, T)).toBe(true);
  expect(hasMoved({ offsetUs: 7 }, { offsetUs: 27 }, T)).toBe(false);
});
