import { expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { simulate } from './simulate.ts';

const MOST_SEEDS = 500;

test.each(Object.entries(mutants))('%s is caught', (name, mutation) => {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    try {
      simulate(seed, mutation);
    } catch (error) {
      if (process.env['SHOW'] !== undefined) process.stdout.write(`${name}: ${String(error)}\n`);
      expect(String(error)).toContain(`SEED=${seed}`);
      return;
    }
  }
  expect.fail(`${name}: not noticed in ${MOST_SEEDS} seeds`);
});
