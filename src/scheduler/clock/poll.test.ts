import { expect, test } from 'vitest';
import { ownServers, Poll, publicServers } from './poll.ts';

const open = (halfUs: number, silent = 0) => ({ halfUs, silent });

test('who does not answer is asked less and less', () => {
  const poll = new Poll(ownServers);
  const waits = Array.from({ length: 12 }, (_, silent) => {
    return poll.nextUs(0, { halfUs: undefined, silent: silent + 1 }, 0.5) / 1e6;
  });
  expect(waits).toEqual([0.25, 0.25, 0.25, 1, 2, 4, 8, 16, 32, 64, 64, 64]);
});

test('four requests within a second, then as often as is worth it', () => {
  const poll = new Poll(ownServers);
  const waits = Array.from({ length: 5 }, () => poll.nextUs(0, open(300), 0.5));
  expect(waits).toEqual([250_000, 250_000, 250_000, 1_500_000, 1_500_000]);
  expect(poll.nextUs(0, open(5_000), 0.5)).toBe(25e6);
  expect(poll.nextUs(0, open(1e6), 0.5)).toBe(64e6);
  expect(poll.nextUs(0, open(5_000), 0)).toBeCloseTo(22.5e6);
  poll.limits = publicServers;
  expect(poll.nextUs(0, open(300), 0.5)).toBe(64e6);
});

test('RATE spares the server, DENY leaves it alone for a day', () => {
  const poll = new Poll(ownServers);
  poll.kiss('RATE', 0);
  expect(poll.nextUs(0, open(300), 0.5)).toBe(64e6);
  poll.burst();
  expect(poll.nextUs(0, open(300), 0.5)).toBe(64e6);
  poll.kiss('DENY', 0);
  expect([poll.nextUs(0, open(300), 0.5), poll.isDenied]).toEqual([86_400e6, true]);
  expect(poll.nextUs(86_400e6, open(300), 0.5)).toBe(64e6);
  expect(poll.isDenied).toBe(false);
});
