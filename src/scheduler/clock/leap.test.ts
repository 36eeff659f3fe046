import { expect, test } from 'vitest';
import { announced, isSmearing, SMEAR_RATE, smearUs } from './leap.ts';

const MIDNIGHT_US = Date.UTC(2030, 0, 1) * 1000;
const HOUR_US = 3_600e6;

test('a leap second is believed when more than half announce it, on its day', () => {
  const leap = { atUs: MIDNIGHT_US, step: 1 };
  expect(announced([1, 1, 0], MIDNIGHT_US - HOUR_US)).toEqual(leap);
  expect(announced([1, 0], MIDNIGHT_US - HOUR_US)).toBeUndefined();
  expect(announced([2], MIDNIGHT_US - HOUR_US)).toEqual({ ...leap, step: -1 });
  expect(announced([1, 2, 0], MIDNIGHT_US - HOUR_US)).toBeUndefined();
  expect(announced([1], MIDNIGHT_US - 100 * HOUR_US)).toBeUndefined();
  expect(announced([], MIDNIGHT_US - HOUR_US)).toBeUndefined();
});

test.each([1, -1])('smeared time has no step at a leap of %i s', (step) => {
  const leap = { atUs: MIDNIGHT_US, step };
  let before: { linearUs: number; smearedUs: number } | undefined;
  for (let passedUs = 0; passedUs < 26 * HOUR_US; passedUs += 10e6) {
    // What a plain server's clock shows: it repeats, or leaves out, the second before midnight.
    const linearUs = MIDNIGHT_US - 13 * HOUR_US + passedUs;
    const stampUs = passedUs > 13 * HOUR_US ? linearUs - step * 1e6 : linearUs;
    const addUs = smearUs(leap, stampUs);
    if (addUs === undefined) continue;
    const smearedUs = stampUs + addUs;
    if (before) {
      const pace = (smearedUs - before.smearedUs) / (linearUs - before.linearUs);
      expect(Math.abs(pace - 1)).toBeLessThan(SMEAR_RATE);
    }
    before = { linearUs, smearedUs };
  }
  expect(smearUs(leap, MIDNIGHT_US - 12 * HOUR_US)).toBe(0);
  expect(smearUs(leap, MIDNIGHT_US + 12 * HOUR_US)).toBe(0);
  expect(smearUs(leap, MIDNIGHT_US + 1)).toBeUndefined();
  expect(smearUs(leap, MIDNIGHT_US - 2.1e6)).toBeCloseTo(-step * 0.5e6, -3);
  expect(isSmearing(leap, MIDNIGHT_US + HOUR_US)).toBe(true);
  expect(isSmearing(leap, MIDNIGHT_US + 13 * HOUR_US)).toBe(false);
});
