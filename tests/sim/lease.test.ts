import { expect, test } from 'vitest';
import { mutants, simulateLeases } from './lease.ts';
import { seeds } from './sim.ts';

const LEASES = 200;
const MOST_SEEDS = 3_000;

test('two copies of what may move never run at once, whatever happens', () => {
  const sum = { hours: 0, starts: 0, moves: 0, needless: 0 };
  const chosen = seeds(500);
  for (const seed of chosen) {
    const { overlaps, ...more } = simulateLeases(seed, LEASES);
    expect(overlaps, `SEED=${seed}`).toEqual([]);
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += more[key];
  }
  if (chosen.length === 1) return;
  expect(sum.hours).toBeGreaterThan(20_000);
  expect(sum.moves).toBeGreaterThan(2_000);
  // A message that is three leases late may cost a lease; nothing else that is healthy does.
  expect(sum.needless).toBeLessThan(sum.starts / 500);
});

test('the same seed tells the same story', () => {
  expect(simulateLeases(7, LEASES)).toEqual(simulateLeases(7, LEASES));
});

test.each(mutants)('%s: caught', (mutant) => {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    if (simulateLeases(seed, LEASES, mutant).overlaps.length > 0) return;
  }
  expect.fail(`not noticed in ${MOST_SEEDS} seeds`);
});
