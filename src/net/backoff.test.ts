import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { Backoff } from './backoff.ts';

test('the range doubles up to the maximum, and never leaves it', () => {
  const backoff = new Backoff();
  const longest = Array.from({ length: 10 }, () => backoff.next(1));
  expect(longest).toEqual([400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000]);
  for (let tries = 0; tries < 2_000; tries += 1) {
    expect(backoff.next(0)).toBe(limits.reconnectMinMs);
    expect(backoff.next(0.999)).toBeLessThanOrEqual(limits.reconnectMaxMs);
  }
});

test('reset begins anew', () => {
  const backoff = new Backoff();
  backoff.next(0);
  backoff.next(0);
  backoff.reset();
  expect(backoff.next(1)).toBe(2 * limits.reconnectMinMs);
});
