import { expect, test, vi } from 'vitest';
import { openClock } from './clock.io.ts';

test('an instant of true time and of CLOCK_MONOTONIC are two names of one', async () => {
  const clock = await openClock();
  const monotonicUs = clock.monotonicUs();
  expect(Number(process.hrtime.bigint() / 1_000n) - monotonicUs).toBeLessThan(5_000_000);
  const { atUs: trueUs } = clock.trueAt(monotonicUs);
  expect(Math.abs(clock.now().atUs - trueUs)).toBeLessThan(5_000_000);
  // Both ways on a machine that is busy: the pair read closest together is some µs wide.
  expect(Math.abs(clock.monotonicOf(trueUs) - monotonicUs)).toBeLessThan(2_000);
  expect(Math.abs(clock.now().atUs - Date.now() * 1000)).toBeLessThan(5_000_000);
});

test('a listener that has left is not kept, and keeps nothing', async () => {
  vi.useFakeTimers();
  try {
    const clock = await openClock();
    const moved = vi.fn<() => void>();
    const leave = clock.onMoved(moved);
    expect(vi.getTimerCount()).toBe(1);
    leave();
    expect(vi.getTimerCount()).toBe(0);
    vi.advanceTimersByTime(5_000);
    expect(moved).not.toHaveBeenCalled();
  } finally {
    vi.useRealTimers();
  }
});
