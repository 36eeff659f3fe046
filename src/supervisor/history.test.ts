import { expect, test } from 'vitest';
import { History } from './history.ts';

const S = 1_000_000;

function hour(history: History, run: string, seconds = 3 * 3_600): void {
  for (let at = 0; at < seconds; at += 5) {
    history.add(run, { at: at * S, cpuPercent: at % 10 === 0 ? 10 : 20, memoryBytes: at });
  }
}

test('the newest are as they were taken, in order', () => {
  const history = new History();
  hour(history, 'R1', 60);
  expect(history.since('R1', 50 * S)).toEqual([
    { at: 50 * S, cpuPercent: 10, memoryBytes: 50 },
    { at: 55 * S, cpuPercent: 20, memoryBytes: 55 },
  ]);
  expect(history.since('R1', 0)).toHaveLength(12);
  expect(history.since('R1', 99 * S)).toEqual([]);
  expect(history.since('R2', 0)).toEqual([]);
});

test('an hour back, one for each half minute, with the mean of their CPU', () => {
  const history = new History();
  hour(history, 'R1');
  const all = history.since('R1', 0);
  const spanS = ((all.at(-1)?.at ?? 0) - (all[0]?.at ?? 0)) / S;
  expect(spanS).toBeGreaterThan(3_550);
  expect(spanS).toBeLessThan(3_700);
  expect(all[5]).toMatchObject({ cpuPercent: 15 });
  const gaps = all.slice(1).map(({ at }, index) => (at - (all[index]?.at ?? 0)) / S);
  expect(Math.min(...gaps)).toBe(5);
  expect(Math.max(...gaps)).toBe(30);
});

test('a run has a bound in memory, a short one costs little, one that is over nothing', () => {
  const history = new History();
  history.add('R1', { at: S });
  expect(history.bytes).toBeLessThan(1_500);
  hour(history, 'R1');
  expect(history.bytes).toBeLessThan(16 * 1024);
  history.keep(new Set());
  expect(history.bytes).toBe(0);
});

test('what was not read stays so', () => {
  const history = new History();
  history.add('', { at: S, load1: 0.5, cpuPercent: undefined });
  history.add('', { at: 2 * S, load1: 1 });
  expect(history.since('', 0)).toEqual([
    { at: S, load1: 0.5 },
    { at: 2 * S, load1: 1 },
  ]);
});
