import { expect, test } from 'vitest';
import { mutants } from './mutants.ts';
import { simulate } from './simulate.ts';

const MOST_SEEDS = 500;

test.each(mutants)('%s is caught', (name, mutation, by) => {
  for (let seed = 1; seed <= MOST_SEEDS; seed += 1) {
    try {
      simulate(seed, mutation);
    } catch (error) {
      const [, what = ''] = String(error).split(/^(?=(?:Assertion)?Error: (?!SEED))/m);
      expect(what.split('\n    at ')[0]).toMatch(by);
      return;
    }
  }
  expect.fail(`${name}: not noticed in ${MOST_SEEDS} seeds`);
});
